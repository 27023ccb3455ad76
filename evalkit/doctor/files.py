"""The model and judge files of a run: keys, servers, folders; and the project file beside the first."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

from evalkit.config import JudgeSpec, ModelSpec, SuiteSpec, read_judge, read_model
from evalkit.doctor.finding import Finding
from evalkit.doctor.machine import GIB, available_memory, read_gpus
from evalkit.scorers.sandbox import check_sandbox
from evalkit.stored.cache import cache_folder
from evalkit.types import EngineError, InputError

_MODULES = {"vllm": "vllm", "vllm-server": "vllm", "transformers": "transformers"}


def given_files(files: Sequence[Path]) -> Iterator[Finding]:
    """Each file as a comparison would read it. No model is loaded; an API is asked which models it has."""
    for path in files:
        try:
            spec = read_judge(path) if _is_judge(path) else read_model(path)
        except InputError as error:
            yield _wrong(str(path), error)
            continue
        if isinstance(spec, JudgeSpec):
            yield from _judge(spec, str(path))
        else:
            yield from _model(spec, str(path))
    if files:
        yield from _project(files[0].parent)


def _is_judge(path: Path) -> bool:
    """By its fields; a file that cannot be read is for the reader of models to name."""
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return isinstance(data, dict) and bool({"rubric", "members", "verdict", "questions"} & data.keys())


def _wrong(name: str, error: InputError) -> Finding:
    """An input error as a finding: what is wrong before its last semicolon, and the fix after it."""
    found, semicolon, fix = str(error).rpartition("; ")
    return Finding(name, "fail", found or str(error), fix if semicolon else "put it right in the file")


def _project(folder: Path) -> Iterator[Finding]:
    """Whether suites, judge and policy of an `evalkit.yaml` beside the models are there."""
    from evalkit.inputs import named, readers_of

    path = folder / "evalkit.yaml"
    if not path.is_file():
        return
    try:
        chosen, judge, policy = named(str(folder), None, None, None)
    except InputError as error:
        yield _wrong(str(path), error)
        return
    told = f"suites {', '.join(suite.name for suite in chosen.suites)}"
    told += f"; policy {Path(policy.file).name}" if policy.file else "; the default policy"
    yield Finding(path.name, "ok", told)
    yield from _programs(chosen.suites, path.name)
    for reader in readers_of(judge):
        yield from _judge(reader, f"{path.name}: judge {reader.name}")


def _programs(suites: Sequence[SuiteSpec], name: str) -> Iterator[Finding]:
    """Suites that run what a model wrote are refused where nothing holds it."""
    running = [suite.name for suite in suites for task in suite.tasks if getattr(task, "score", None) == "code"]
    if not running:
        return
    try:
        check_sandbox(asked_by=f"{name}: suite {running[0]!r}")
    except InputError as error:
        yield _wrong(name, error)


def _judge(spec: JudgeSpec, name: str) -> Iterator[Finding]:
    if spec.kind == "jury":
        yield Finding(name, "ok", f"a jury of {', '.join(spec.members)}; give their files too")
    else:
        yield from _model(spec.model, name)


def _model(spec: ModelSpec, name: str) -> Iterator[Finding]:
    if spec.backend in _MODULES and importlib.util.find_spec(_MODULES[spec.backend]) is None:
        extra = "hf" if spec.backend == "transformers" else "vllm"
        fix = f"pip install 'evalkit-gate[{extra}]', or name another backend in {name}"
        yield Finding(name, "fail", f"backend {spec.backend} is not installed", fix)
    elif spec.backend in _MODULES:
        yield _local(spec, name)
    elif spec.backend == "openai":
        yield _served(spec, name)
    else:
        yield _opened(spec, name)


def _local(spec: ModelSpec, name: str) -> Finding:
    """A folder: whole, and small enough. A hub id: there already, or to be fetched."""
    assert spec.model is not None, "config.ModelSpec asks for a model"
    folder = Path(spec.path_of(spec.model))
    if not folder.is_dir():
        return _from_hub(spec, name)
    opened = _opened(spec, name)
    if opened.status == "fail":
        return opened
    size = sum(path.stat().st_size for kind in ("*.safetensors", "*.bin") for path in folder.glob(kind)) / GIB
    told = f"{folder}: {size:.1f} GiB of weights{', with an adapter' if spec.adapter else ''}"
    room, what = _room(spec)
    if room is not None and size > 0.9 * room:
        fix = "spread it with `engine: {tensor_parallel_size: N}`, quantise it, or take a larger machine"
        return Finding(name, "fail", f"{told}, and {what} has {room:.1f} GiB", fix)
    return Finding(name, "ok", told)


def _room(spec: ModelSpec) -> tuple[float | None, str]:
    """GiB that weights can take, and of what."""
    found, _ = read_gpus()
    known = [gpu.total for gpu in found if gpu.total == gpu.total]
    if known:
        side_by_side = int(spec.engine.get("tensor_parallel_size", 1)) * int(
            spec.engine.get("pipeline_parallel_size", 1)
        )
        return min(known) * side_by_side, f"{side_by_side} GPU{'s' if side_by_side > 1 else ''}"
    return available_memory(), "main memory"


def _from_hub(spec: ModelSpec, name: str) -> Finding:
    if importlib.util.find_spec("huggingface_hub") is None:
        fix = "name a folder in `model`, or install the hub's client: pip install 'evalkit-gate[hub]'"
        return Finding(
            name, "fail", f"model {spec.model!r} is no folder here, and the hub's client is not installed", fix
        )
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(str(spec.model), "config.json", revision=spec.revision)
    except HFValidationError:
        return Finding(name, "fail", f"model {spec.model!r} is neither a folder here nor a hub id", "correct the path")
    if isinstance(cached, str):
        return Finding(name, "ok", f"{spec.model}: in the hub's cache")
    return Finding(
        name, "warn", f"{spec.model}: no folder here; it will be fetched from the hub", "is the hub reached?"
    )


def _opened(spec: ModelSpec, name: str) -> Finding:
    """Opened as a run opens it: files, tokenizer, adapter. No weights are loaded."""
    from evalkit.backends import open_backends

    try:
        for backend in open_backends({"base": spec}, cache_folder()):
            backend.close()
    except InputError as error:
        return _wrong(name, error)
    return Finding(name, "ok", f"{spec.backend}: {spec.outputs or spec.model}")


def _served(spec: ModelSpec, name: str) -> Finding:
    """Whether the server is there, takes the key and has the model: as a run would start, without a second try."""
    from evalkit.backends import open_backends

    class Notes:
        heard: list[str] = []  # noqa: RUF012

        def phase(self, name: str, total: int | None = None, *, unit: str = "requests") -> None: ...
        def advance(self, requests: int = 1, tokens: int = 0) -> None: ...
        def note(self, text: str) -> None:
            self.heard.append(text)

    notes = Notes()
    notes.heard = []
    try:
        (backend,) = open_backends({"base": spec.model_copy(update={"max_retries": 0})}, cache_folder())
        try:
            backend.start(notes)
        finally:
            backend.close()
    except InputError as error:
        return _wrong(name, error)
    except EngineError as error:
        return Finding(name, "fail", str(error), error.hint or "check base_url and api_key")
    unlisted = next((one for one in notes.heard if "does not list" in one), None)
    if unlisted:
        return Finding(name, "warn", unlisted, "correct `model`, unless the server takes names that it does not list")
    return Finding(name, "ok", f"{spec.base_url or 'the usual address'} answers, and takes the key for {spec.model}")
