"""Recorded models of one suite, and a comparison of two of them on the command line."""

import json

import pytest

from tests.shell import evalkit


@pytest.fixture
def folder(tmp_path):
    """A suite of 400 questions, and recorded models: the base, its equal, a loser, one lacking a row, one gone silent."""
    (tmp_path / "items.jsonl").write_text(
        "".join(f'{{"id": {i}, "q": "{i} + 1?", "a": "{i + 1}"}}\n' for i in range(400))
    )
    (tmp_path / "sums.yaml").write_text(
        "name: sums\ntasks: [{data: items.jsonl, prompt: '{{ q }}', answer: '{{ a }}', score: number}]\n"
    )

    def record(name, answer):
        rows = [{"id": i, "output": answer(i)} for i in range(400)]
        (tmp_path / f"{name}.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in rows if row["output"] is not None)
        )
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nbackend: replay\noutputs: {name}.jsonl\n")

    record("base", lambda i: str(i + 1))
    record("equal", lambda i: f"The answer is {i + 1}")
    record("worse", lambda i: "no idea" if i % 4 == 0 else str(i + 1))
    record("unsure", lambda i: "7" if i % 50 == 0 else str(i + 1))
    record("partial", lambda i: None if i < 5 else str(i + 1))
    return tmp_path


def compare(folder, tuned, *args, **env):
    return evalkit(
        "compare", "base.yaml", f"{tuned}.yaml", "--suite", "sums.yaml", "--out", "out", *args, cwd=folder, **env
    )
