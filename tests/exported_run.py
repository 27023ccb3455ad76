"""A stored run with everything that an export must carry: suites of several tasks, clusters, slices, repeats, hostile texts,
failures, log-probabilities, verdicts."""

import json

from typer.testing import CliRunner

from evalkit.cli import app
from evalkit.stored.records import Records
from evalkit.types import (
    Completion,
    Example,
    Failure,
    Manifest,
    Message,
    ModelRecord,
    Prepared,
    Request,
    Sampling,
    Score,
    SuiteRecord,
    TaskRecord,
    Usage,
    Verdict,
)

HOSTILE = [
    "",
    "=1+1",
    'say "x",\r\nthen;\ty',
    "NA",
    "None",
    "</script>",
    "über 日本 \u2028",
    "  spaced  ",
    "\N{GRINNING FACE}",
]


def store(folder):
    """Write the run into `folder`."""
    from evalkit.config import PolicySpec
    from evalkit.report.files import write_run
    from evalkit.run import decided

    records = Records()
    for i in range(40):
        for arm in ("base", "tuned"):
            for sample in range(2):
                gold = str(i)
                right = (i * 7 + sample * 3 + (arm == "tuned")) % 5 > 0
                text = HOSTILE[i % len(HOSTILE)] if not right else f"It is {i}"
                failure = (
                    Failure(arm, "timeout", "no reply in time", "try again")
                    if (i, arm, sample) == (9, "tuned", 1)
                    else None
                )
                score = Score("accuracy", 1.0 if right else 0.0, gold if right else None, None if right else "unparsed")
                if failure:
                    score = Score("accuracy", None, failure=failure)
                completion = Completion(
                    "" if failure else text,
                    "hm" if i % 3 else None,
                    "length" if i == 4 else "stop",
                    Usage(9, 4),
                    failure=failure,
                )
                example = Example(str(i), (), gold, group=f"p{i % 25}", slices={"topic": f"t{i % 2}"})
                message = (Message("user", f"Q {i}"),)
                prepared = Prepared(Request(arm, "maths", "sums", str(i), message, Sampling()), f"<{arm}> Q {i}", "k")
                records.add("maths", "sums", arm, sample, example, completion, score, prepared)
            picked = "AB"[(i + (arm == "tuned" and i % 6 == 0)) % 2]
            for task in ("one", "two"):
                example = Example(str(i), (), "AB"[i % 2])
                completion = Completion(picked, logprobs=(-0.5, float("nan") if i == 3 else -1.5))
                score = Score(
                    "accuracy", float(picked == example.answer), picked, None if picked == example.answer else "wrong"
                )
                records.add("pair", task, arm, 0, example, completion, score, None)
    records.add_verdict(Verdict("1", "judge", "tuned_first", "tie", 0.5, 'because "so"', suite="maths", task="sums"))
    maths = TaskRecord(
        "sums", "generate", "accuracy", 40, 40, samples=2, clustered=True, temperature={"base": 0.7, "tuned": 0.7}
    )
    pair = tuple(TaskRecord(name, "choice", "accuracy", 40, 50) for name in ("one", "two"))
    manifest = Manifest(
        schema=1,
        run_id="20260102-030405-abcdef",
        created="2026-01-02T03:04:05+00:00",
        command="evalkit compare base.yaml tuned.yaml",
        base=ModelRecord("Base 1", "vllm", "some/base", "f1", format="chat", engine="vllm", engine_version="0.26"),
        tuned=ModelRecord("Tuned 1", "vllm", "some/tuned", "f2", format="chat", engine="vllm", engine_version="0.26"),
        suites=(
            SuiteRecord("maths", "target", "h1", (maths,), source="own"),
            SuiteRecord("pair", "retain", "h2", pair, chance=0.5, margin=0.2, weight=2.0, aggregate="macro"),
        ),
        judges=(),
        policy=PolicySpec().model_dump(mode="json"),
        versions={"evalkit": "0.1.0"},
        hardware={},
    )
    run = decided(manifest, PolicySpec(), records.table(), None)
    write_run(folder, run.comparison, run.decision, run.manifest, run.table)
    return folder


def evalkit(*words):
    """The command line's answer, as JSON where it was asked for."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout) if "--json" in words else done.stdout
