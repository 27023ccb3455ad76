"""`backend: vllm-server` against a program with vLLM's flags and routes: what is started, asked, shared, kept and ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("peft")

from evalkit.backends import Backend, open_backends, server_command, vllm_server
from evalkit.backends.served_adapters import adapter_options
from evalkit.backends.server_command import flags
from evalkit.config import ModelSpec
from evalkit.types import Completion, EngineError, InputError, Message, Prepared, Request, Sampling, Silent
from tests.backends.test_adapters import adapter, base
from tests.backends.test_rendering import CHATML, tokenizer
from tests.backends.test_server_process import PROGRAM, Notes, goes, runs


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    """A vLLM for CUDA is installed, as far as evalkit can see."""
    monkeypatch.setattr(vllm_server, "installed", lambda: ("vllm", "9.9"))
    monkeypatch.setattr(vllm_server, "is_cpu_build", lambda: False)
    monkeypatch.setattr(server_command, "program", lambda: [sys.executable, str(PROGRAM)])
    monkeypatch.setenv("FAKE_VLLM", "")
    return monkeypatch


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """A tiny base and an adapter for it."""
    folder = base(tmp_path_factory.mktemp("models") / "base")
    tokenizer(CHATML).save_pretrained(str(folder))
    return folder, adapter(tmp_path_factory.mktemp("models") / "lora", folder)


def spec(folder: Path, *, name: str = "m", lora: Path | None = None, **more) -> ModelSpec:
    given = {"name": name, "backend": "vllm-server", "model": str(folder), "adapter": str(lora) if lora else None}
    return ModelSpec.model_validate({**given, "file": f"{name}.yaml", **more})


def asked(model: str = "base", text: str = "Hi", **more) -> Request:
    return Request(model, "s", "t", text, (Message("user", text),), Sampling(max_tokens=8), **more)


def answers(backend: Backend, *requests: Request) -> list[Completion]:
    prepared = [backend.prepare(request) for request in requests]
    assert all(isinstance(one, Prepared) for one in prepared), prepared
    landed = {id(one): done for one, done in backend.stream(one for one in prepared if isinstance(one, Prepared))}
    return [landed[id(one)] for one in prepared]


def pid_of(backend: Backend) -> int:
    return backend._own.process.pid  # type: ignore[attr-defined]


def command_of(folder: Path) -> str:
    (log,) = (folder / "servers").glob("*.log")
    return re.findall(r"arguments: (.*)", log.read_text())[0]


# --- what is started --------------------------------------------------------------------------------------------


def test_engine_options_become_flags():
    options = {"max_model_len": 4096, "enforce_eager": True, "enable_prefix_caching": False, "quantization": None}
    assert flags(options) == ["--max-model-len", "4096", "--enforce-eager", "--no-enable-prefix-caching"]
    assert flags({"hf_overrides": {"a": 1}, "middleware": ["x", "y"]}) == [
        "--hf-overrides", '{"a": 1}', "--middleware", "x", "y",
    ]  # fmt: skip


def test_rank_and_slots_are_sized_from_the_adapters():
    assert adapter_options([]) == {}
    assert adapter_options([4, 12]) == {
        "enable_lora": True, "max_lora_rank": 16, "max_loras": 3, "max_cpu_loras": 3,
    }  # fmt: skip
    assert adapter_options([8] * 40)["max_loras"] == 16, "of more adapters those in use are on the device"
    assert adapter_options([1000]) == {}, "no vLLM takes such a rank"


def test_base_and_adapter_share_one_server_and_each_is_asked_under_its_own_name(tmp_path, folders):
    model, lora = folders
    specs = {"base": spec(model), "tuned": spec(model, name="t", lora=lora)}
    (backend,) = open_backends(specs, tmp_path)
    assert not (tmp_path / "servers").exists(), "nothing is started to tell who answers"
    backend.start(Silent())
    pid = pid_of(backend)
    ids = sum(backend.prepare(asked()).token_ids)  # type: ignore[union-attr]
    told = answers(backend, asked("base"), asked("tuned"))
    assert [one.text for one in told] == [f"base: {ids}", f"tuned: {ids}"]
    assert backend.record("tuned").adapter_mode == "served" and backend.record("base").engine_version == "9.9"
    line = command_of(tmp_path)
    assert f"--lora-modules tuned={lora}" in line and "--max-lora-rank 8 --max-loras 2 --max-cpu-loras 2" in line
    assert "--host 127.0.0.1" in line and "--generation-config vllm --logprobs-mode raw_logprobs" in line
    backend.close()
    backend.close()
    assert goes(pid)


def test_the_record_and_the_keys_are_those_of_the_offline_engine(tmp_path, folders, monkeypatch):
    from evalkit.backends import vllm

    monkeypatch.setattr(vllm, "installed", lambda: ("vllm", "9.9"))
    monkeypatch.setattr(vllm, "is_cpu_build", lambda: False)
    specs = {"base": spec(folders[0])}
    (server,) = open_backends(specs, tmp_path)
    (offline,) = open_backends({"base": specs["base"].model_copy(update={"backend": "vllm"})}, tmp_path)
    for request in (asked(), asked(options=("A", "B")), asked(constraint=None, sample=1)):
        assert server.prepare(request) == offline.prepare(request)
    one, other = server.record("base"), offline.record("base")
    assert one.backend == "vllm-server"
    assert (one.fingerprint, one.template_hash, one.precision) == (
        other.fingerprint, other.template_hash, other.precision,
    )  # fmt: skip


def test_options_are_read_from_one_distribution_and_longer_ones_from_the_prompts(tmp_path, folders):
    (backend,) = open_backends({"base": spec(folders[0])}, tmp_path)
    try:
        backend.start(Silent())
        letters = backend.prepare(asked(options=("A", "B")))
        texts = backend.prepare(asked(text="Q", options=("A: X", "B")))
        assert isinstance(letters, Prepared) and isinstance(texts, Prepared)
        found = answers(backend, letters.request, texts.request)
    finally:
        backend.close()
    for one, done in zip((letters, texts), found, strict=True):
        expected = [sum(-(token % 7) / 10 for token in ids) for ids in one.option_ids]
        assert done.logprobs == pytest.approx(expected)
    assert [len(ids) > 1 for ids in texts.option_ids] == [True, False]


def test_an_option_that_this_vllm_does_not_know_is_a_mistake_in_the_file(tmp_path, folders):
    (backend,) = open_backends({"base": spec(folders[0], engine={"max_modell_len": 5})}, tmp_path)
    with pytest.raises(InputError, match=r"m.yaml: engine: max_modell_len: this vLLM's server has no such option"):
        backend.start(Silent())
    (backend,) = open_backends({"base": spec(folders[0], engine={"max_model_len": "many"})}, tmp_path)
    with pytest.raises(InputError, match=r"m.yaml: engine: max_model_len: .*invalid int value: 'many'"):
        backend.start(Silent())


def test_a_server_without_memory_says_what_to_lower(tmp_path, folders, fake):
    fake.setenv("FAKE_VLLM", "memory")
    (backend,) = open_backends({"base": spec(folders[0])}, tmp_path)
    with pytest.raises(EngineError, match="out of memory") as caught:
        backend.start(Silent())
    assert caught.value.kind == "out_of_memory" and "gpu_memory_utilization" in caught.value.hint


def test_without_vllm_it_says_how_to_get_it(tmp_path, folders, fake):
    fake.setattr(vllm_server, "installed", lambda: None)
    with pytest.raises(InputError, match=r"m.yaml: backend: vllm-server needs vLLM.*base_url"):
        open_backends({"base": spec(folders[0])}, tmp_path)


def test_a_server_that_dies_midway_ends_the_engine_with_its_last_words_and_keeps_what_landed(tmp_path, folders, fake):
    fake.setenv("FAKE_VLLM", "fragile")
    (backend,) = open_backends({"base": spec(folders[0], concurrency=1)}, tmp_path)
    backend.start(Silent())
    requests = [asked(), asked(text="Hi " * 30), *(asked(text=f"Hi {n}") for n in range(50))]
    prepared = [one for one in map(backend.prepare, requests) if isinstance(one, Prepared)]
    landed = []
    with pytest.raises(EngineError, match="the device fell off the bus") as caught:
        for _, done in backend.stream(prepared):
            landed.append(done.text)
    backend.close()
    assert caught.value.kind == "engine_died" and len(landed) == 1


def test_one_server_at_a_time_and_what_was_ended_is_started_again_when_asked(tmp_path, folders):
    one, other = open_backends(
        {"base": spec(folders[0]), "tuned": spec(folders[0], engine={"max_model_len": 32})}, tmp_path
    )
    one.start(Silent())
    first = pid_of(one)
    other.start(Silent())
    assert goes(first)
    second = pid_of(other)
    assert answers(one, asked())[0].text.startswith("base: ") and goes(second)
    one.close()
    other.close()


# --- adapters that are not kept apart ---------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "told"), [("mixes", "answers the base with adapter"), ("unmoved", "changes nothing")])
def test_adapters_that_are_not_kept_apart_are_merged_instead_and_the_record_says_so(tmp_path, folders, fake, how, told):
    fake.setenv("FAKE_VLLM", how)
    model, lora = folders
    (backend,) = open_backends({"base": spec(model), "tuned": spec(model, name="t", lora=lora)}, tmp_path)
    notes = Notes()
    backend.start(notes)
    pid = pid_of(backend)
    found = answers(backend, asked("tuned"), asked("base"))
    assert [one.text.split(":")[0] for one in found] == ["tuned", "base"]
    assert goes(pid), "each has a server of its own, one after the other"
    record = backend.record("tuned")
    assert record.adapter_mode == "merged" and any(told in note for note in record.notes)
    backend.close()


# --- kept and found again ---------------------------------------------------------------------------------------


def test_a_kept_server_is_used_by_the_next_run_and_ended_by_nobody(tmp_path, folders):
    def opened(**more) -> Backend:
        return open_backends({"base": spec(folders[0], server={"keep": True}, **more)}, tmp_path)[0]

    first, notes = opened(), Notes()
    first.start(notes)
    answers(first, asked())
    first.close()
    (pid,) = {int(pid) for said in notes.said for pid in re.findall(r"kill (\d+)", said)}
    try:
        assert runs(pid)
        (state,) = (tmp_path / "servers").glob("*.json")
        assert state.stat().st_mode & 0o077 == 0, "it holds a key"
        second, again = opened(), Notes()
        second.start(again)
        assert answers(second, asked())[0].text.startswith("base: ")
        assert second.record("base").notes and len(list((tmp_path / "servers").glob("*.log"))) == 1
        second.close()
        assert runs(pid) and any("an earlier run kept" in said for said in again.said)
    finally:
        os.kill(pid, signal.SIGTERM)
    assert goes(pid)
    third = opened(engine={"max_model_len": 32})
    third.start(Silent())
    others = {int(one) for note in third.record("base").notes for one in re.findall(r"kill (\d+)", note)}
    third.close()
    for other in others:
        os.kill(other, signal.SIGTERM)
    assert others and pid not in others


# --- servers that somebody else runs ----------------------------------------------------------------------------


@pytest.fixture
def stated(tmp_path, folders):
    """The address of a server that somebody else started, with the base as "served-base" and an adapter as "lora"."""
    from evalkit.backends.server_process import free_port, is_healthy

    started = []

    def start(**environment) -> str:
        port = free_port()
        line = [
            sys.executable,
            str(PROGRAM),
            str(folders[0]),
            "--served-model-name",
            "served-base",
            "--host",
            "127.0.0.1",
        ]
        line += ["--port", str(port), "--lora-modules", f"lora={folders[1]}"]
        started.append(subprocess.Popen(line, stdout=subprocess.DEVNULL, env={**os.environ, **environment}))
        while not is_healthy(f"http://127.0.0.1:{port}"):
            time.sleep(0.05)
        return f"http://127.0.0.1:{port}/v1"

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_stated_server_is_asked_under_the_names_it_lists_and_is_left_running(tmp_path, folders, stated):
    url = stated()
    model, lora = folders
    specs = {"base": spec(model, base_url=url), "tuned": spec(model, name="t", lora=lora, base_url=url)}
    (backend,) = open_backends(specs, tmp_path)
    backend.start(Silent())
    texts = [one.text for one in answers(backend, asked("base"), asked("tuned"))]
    assert [text.split(":")[0] for text in texts] == ["served-base", "lora"]
    record = backend.record("base")
    assert record.engine_version == "9.9" and any("taken on trust" in note for note in record.notes)
    backend.close()
    (again,) = open_backends(specs, tmp_path)
    assert [one.text for one in answers(again, asked("base"), asked("tuned"))] == texts
    again.close()


def test_several_stated_servers_share_the_load_and_the_keys_are_the_same(tmp_path, folders, stated):
    urls = [stated(), stated()]
    (one,) = open_backends({"base": spec(folders[0], base_url=urls[0])}, tmp_path)
    (both,) = open_backends({"base": spec(folders[0], base_url=urls)}, tmp_path)
    assert one.prepare(asked()) == both.prepare(asked())
    assert len(answers(both, *(asked(text=f"Hi {n}") for n in range(60)))) == 60
    both.close()
    (told,) = [note for note in both.record("base").notes if "endpoints" in note]
    shares = [int(share) for share in re.findall(r"(\d+) answers", told)]
    assert sum(shares) == 60 and min(shares) > 5


def test_a_stated_server_of_another_model_is_said_with_what_it_lists(tmp_path, folders, stated):
    specs = {"tuned": spec(folders[0], name="other", lora=adapter(tmp_path / "other", folders[0]), base_url=stated())}
    (backend,) = open_backends(specs, tmp_path)
    with pytest.raises(
        EngineError, match=r"other.yaml: adapter: .* serves no adapter named 'other'.*lora, served-base"
    ):
        backend.start(Silent())


def test_a_stated_server_that_mixes_up_base_and_adapter_is_refused(tmp_path, folders, stated):
    url = stated(FAKE_VLLM="mixes")
    model, lora = folders
    specs = {"base": spec(model, base_url=url), "tuned": spec(model, name="t", lora=lora, base_url=url)}
    (backend,) = open_backends(specs, tmp_path)
    with pytest.raises(EngineError, match="answers the base with adapter 'lora'") as caught:
        backend.start(Silent())
    assert "--max-loras" in caught.value.hint


def test_two_who_ask_one_stated_server_at_the_same_time_open_it_once(tmp_path, folders, stated):
    """As two members of a jury do, each in a thread of its own, when the first pair is complete."""
    url = stated()
    specs = {name: spec(folders[0], base_url=url) for name in ("one", "other")}
    (backend,) = open_backends(specs, tmp_path)
    landed: dict[str, list[str]] = {}

    def ask(name):
        backend.start(Silent())
        landed[name] = [one.text for one in answers(backend, *(asked(name, text=f"Hi {n}") for n in range(20)))]

    threads = [threading.Thread(target=ask, args=(name,)) for name in specs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    backend.close()
    assert {name: len(texts) for name, texts in landed.items()} == {"one": 20, "other": 20}
