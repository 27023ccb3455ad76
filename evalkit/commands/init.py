"""`evalkit init`: the files of a first comparison, with comments."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from evalkit.commands.options import Json
from evalkit.types import InputError

if TYPE_CHECKING:
    from evalkit.starting import Wanted

Backend = Literal["vllm", "vllm-server", "transformers", "openai", "replay"]
CI = Literal["github", "gitlab", "none"]


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write; made if it is not there.")] = Path(
        "."
    ),
    base: Annotated[
        str | None,
        typer.Option("--base", metavar="MODEL", help="The base: a folder, a hub id, or a name that an API serves."),
    ] = None,
    tuned: Annotated[
        str | None,
        typer.Option(
            "--tuned", metavar="MODEL", help="The tuned candidate, likewise. Default with --adapter: the base."
        ),
    ] = None,
    adapter: Annotated[
        str | None,
        typer.Option("--adapter", metavar="PATH", help="The LoRA adapter that makes the base the candidate."),
    ] = None,
    backend: Annotated[
        Backend | None, typer.Option("--backend", help="What runs both models. Default: vllm.", show_default=False)
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(
            "--suite",
            "-s",
            metavar="NAME|PATH",
            help="What to ask. Repeat for several. Default: quick, a look in minutes; `release` is to decide on.",
        ),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option("--judge", "-j", metavar="NAME|PATH", help="Who compares the answers. Default: none."),
    ] = None,
    ci: Annotated[
        CI | None,
        typer.Option(
            "--ci", help="Also write a CI file that gates on the comparison. Default: none.", show_default=False
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: what no flag says is the default.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    json: Json = False,
) -> None:
    """Write base.yaml, tuned.yaml, policy.yaml and evalkit.yaml: what `evalkit compare base.yaml tuned.yaml` needs.

    On a terminal it asks for what no flag says. The policy is the default one, with every field explained. Nothing is
    overwritten without --force.
    """
    from evalkit.starting import Wanted, files, unnamed

    said = Wanted(
        base or "",
        tuned or "",
        adapter or "",
        backend or "vllm",
        tuple(suite or ("quick",)),
        judge or "none",
        ci or "none",
    )
    given = {"base": base, "tuned": tuned, "adapter": adapter, "backend": backend}
    given |= {"suite": suite, "judge": judge, "ci": ci}
    if not yes and not json and sys.stdin.isatty() and sys.stderr.isatty():
        said = _asked(said, {name for name, value in given.items() if value is None})
    _check(said)
    written = files(folder, said)
    there = [path for path in written if path.exists()]
    if there and not force:
        raise InputError(
            f"{there[0]}: is there already, and nothing is overwritten; name another folder, or add --force"
        )
    for path, text in written.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    commands = [f"evalkit {word} {folder / 'base.yaml'} {folder / 'tuned.yaml'}" for word in ("doctor", "compare")]
    if json:
        import json as json_

        told = {"files": [str(path) for path in written], "to_fill_in": unnamed(said), "next": commands}
        typer.echo(json_.dumps(told, indent=2, ensure_ascii=False))
        return
    for path in written:
        typer.echo(path)
    for path in written:
        if path.name == "evalkit.yml" and path.parent.name == ".gitlab":
            typer.echo("\nAdd to .gitlab-ci.yml:  include: [{local: .gitlab/evalkit.yml}]")
    if unnamed(said):
        typer.echo(f"\nFirst write into {' and '.join(unnamed(said))} which model it is.")
    typer.echo(f"\nNext: {commands[0]}  # is all that they need there?\n      {commands[1]}")


def _check(wanted: Wanted) -> None:
    """What does not fit together, or names nothing. Raises InputError."""
    from evalkit.catalog import builtin_names, find_any_suite, find_judge

    if wanted.adapter and wanted.backend in ("openai", "replay"):
        raise InputError(f"--adapter: backend {wanted.backend} takes none; name the served adapter in --tuned")
    for suite in wanted.suites:
        find_any_suite(suite, asked_by="--suite")
    # A judge's own file may name a key that is not set here; it is read when it is asked.
    if wanted.judge != "none" and not Path(wanted.judge).is_file() and wanted.judge not in builtin_names("judges"):
        find_judge(wanted.judge, asked_by="--judge")


def _asked(said: Wanted, open_: set[str]) -> Wanted:
    """Ask for what is open, one question a line; Enter takes what stands in brackets."""
    import dataclasses

    from evalkit.catalog import builtin_names

    def ask(text: str, default: str, choices: tuple[str, ...] = ()) -> str:
        told = f"{text} ({', '.join(choices)})" if choices else text
        while True:
            answer = str(typer.prompt(told, default=default, show_default=bool(default), err=True)).strip()
            if not choices or answer in choices:
                return answer
            typer.echo(f"one of: {', '.join(choices)}", err=True)

    answers: dict[str, object] = {}
    backend = said.backend
    if "backend" in open_:
        backend = answers["backend"] = ask(
            "What runs the models", "vllm", ("vllm", "vllm-server", "transformers", "openai", "replay")
        )
    where = {"openai": "the name its server knows", "replay": "its recorded answers, a JSONL file"}
    kind = where.get(str(backend), "a folder or a hub id")
    if "base" in open_:
        answers["base"] = ask(f"The base: {kind} (empty: written in later)", "")
    if "tuned" in open_ and "adapter" in open_:
        if backend in ("vllm", "vllm-server", "transformers"):
            answers["adapter"] = ask("The candidate is a LoRA adapter of the base: its folder (empty: it is none)", "")
        if not answers.get("adapter"):
            answers["tuned"] = ask(f"The candidate: {kind} (empty: written in later)", "")
    if "suite" in open_:
        names = ask("What to ask: built-in suites or files, with commas (see: evalkit suites)", "quick")
        answers["suites"] = tuple(name.strip() for name in names.split(",") if name.strip()) or ("quick",)
    if "judge" in open_:
        answers["judge"] = ask(
            f"Who compares the answers: none, a file, or {', '.join(builtin_names('judges'))}", "none"
        )
    if "ci" in open_:
        answers["ci"] = ask("A CI file as well", "none", ("github", "gitlab", "none"))
    return dataclasses.replace(said, **answers)  # type: ignore[arg-type]
