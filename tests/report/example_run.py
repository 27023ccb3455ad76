"""A stored run made by hand: a table of samples, and a Comparison and Decision that agree with it."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass, field, replace

import pyarrow as pa

from evalkit.comparing.drift import measure_drift
from evalkit.comparing.thinking import at_test_time
from evalkit.stored.records import Records, samples_frame
from evalkit.types import (
    Anchors,
    Comparison,
    Completion,
    Decision,
    Estimate,
    Exam,
    Example,
    ExamRecord,
    ExamSlice,
    Failure,
    Gate,
    JudgeCost,
    JudgeRecord,
    JudgeResult,
    LengthControl,
    Manifest,
    Message,
    ModelRecord,
    Phase,
    Prepared,
    Request,
    Role,
    Sampling,
    Score,
    SuiteRecord,
    SuiteResult,
    TaskRecord,
    TaskResult,
    Usage,
    Verdict,
)

LEVEL = 0.95


@dataclass(frozen=True)
class Planned:
    """One suite of an example run: how often base and tuned are right, and how many items each task has.

    samples: more than one makes both models reason, at length, and take so many samples of an item.
    """

    name: str
    role: Role = "retain"
    base: float = 0.8
    tuned: float = 0.78
    items: int = 100
    tasks: int = 1
    margin: float | None = None
    missing: int = 0
    samples: int = 1


@dataclass(frozen=True)
class Run:
    comparison: Comparison
    decision: Decision
    manifest: Manifest
    table: pa.Table = field(repr=False)

    def __iter__(self):
        return iter((self.comparison, self.decision, self.manifest, self.table))


USUAL = (
    Planned("arithmetic-json", "target", 0.42, 0.74, 240),
    Planned("gsm8k", "retain", 0.93, 0.866, 400),
    Planned("knowledge", "retain", 0.61, 0.603, 300, tasks=3),
    Planned("instruction-following", "retain", 0.72, 0.731, 160),
    Planned("refused-harmless-requests", "guard", 0.03, 0.045, 200),
)

REASONING = Planned("competition-maths", "target", 0.34, 0.52, 60, samples=8)

TOPICS = ["train", "bakery", "orchard", "library", "harbour", "observatory", "printing press", "glacier"]


def make_run(
    suites: tuple[Planned, ...] = USUAL,
    *,
    judge: Exam | None = "none",
    complete: bool = True,
    seed: int = 0,
    prompt: str | None = None,
    output: str | None = None,
    cautions: tuple[str, ...] = (),
) -> Run:
    """Draw a run. `prompt` and `output` replace every text, for hostile ones. judge None: no judge."""
    rng = random.Random(seed)
    records = Records()
    results: list[SuiteResult] = []
    sampling = Sampling(max_tokens=256)
    for suite in suites:
        tasks: list[TaskResult] = []
        pairs: list[tuple[float, float, str | None]] = []
        for t in range(suite.tasks):
            task = suite.name if suite.tasks == 1 else f"{suite.name}-{t + 1}"
            own: list[tuple[float, float, str | None]] = []
            if suite.samples > 1:
                own += _add_sampled(records, suite, task, rng)
            for i in range(suite.items // suite.tasks if suite.samples == 1 else 0):
                topic = rng.choice(TOPICS)
                a, b, c = rng.randint(2, 40), rng.randint(2, 9), rng.randint(2, 30)
                gold = str(a * b + c)
                text = prompt or (
                    f"A {topic} sells {a} crates a day, each holding {b} parts. After a week of repairs it also has {c} "
                    "single parts left over from the year before.\nHow many parts is that for one day, counting the "
                    "single parts? Give your reasoning, then the answer as JSON."
                )
                example = Example(f"{task}-{i}", (Message("user", text),), answer=gold, group=None)
                scores: dict[str, float | None] = {}
                cause_of: dict[str, str | None] = {}
                shared = rng.random()
                for arm, rate in (("base", suite.base), ("tuned", suite.tuned)):
                    draw = shared if rng.random() < 0.85 else rng.random()
                    right = draw < rate
                    missing = arm == "tuned" and i < suite.missing
                    cause = None if right else rng.choice(["wrong", "wrong", "wrong", "unparsed", "truncated"])
                    value = gold if right else str(a * b - c)
                    reply = output or (
                        f"Each day the {topic} handles {a} crates with {b} parts, so {a} * {b} = {a * b}. "
                        + ("Adding" if right else "Taking away")
                        + f" the {c} single parts gives {value}.\n\n"
                        + ('{"answer": ' + value + "}" if cause != "unparsed" else f"So the answer is {value} parts")
                    )
                    failure = Failure("engine", "out_of_memory", "CUDA out of memory") if missing else None
                    request = Request(arm, suite.name, task, example.id, example.messages, sampling)
                    prepared = Prepared(request, f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n", "k")
                    records.add(
                        suite.name,
                        task,
                        arm,
                        0,
                        example,
                        Completion(
                            "" if missing else reply,
                            finish_reason="error" if missing else "length" if cause == "truncated" else "stop",
                            usage=Usage(80, 0 if missing else len(reply) // 4),
                            failure=failure,
                        ),
                        Score(
                            "number",
                            None if missing else float(right),
                            None if cause == "unparsed" or missing else value,
                            None if missing else cause,
                            failure,
                        ),
                        prepared,
                    )
                    scores[arm] = None if missing else float(right)
                    cause_of[arm] = cause
                before, after = scores["base"], scores["tuned"]
                if judge is not None and suite.role == "retain" and before is not None and after is not None:
                    for order in ("base_first", "tuned_first"):
                        winner = rng.choice(
                            ["base", "tuned", "tie", "tuned", None] if rng.random() < 0.1 else ["tuned"]
                        )
                        if after < before:
                            winner = "base"
                        reason = "The first answer states the sum and keeps the format that was asked for."
                        records.add_verdict(
                            Verdict(example.id, "pairwise-general", order, winner, None, reason, suite.name, task)
                        )
                if before is not None and after is not None:
                    own.append((before, after, cause_of["tuned"]))
            tasks.append(_task(task, own, suite.missing if t == 0 else 0))
            pairs += own
        pooled = _task(suite.name, pairs, suite.missing)
        results.append(
            SuiteResult(
                **{name: getattr(pooled, name) for name in TaskResult.__dataclass_fields__},
                role=suite.role,
                margin=suite.margin,
                tasks=tuple(tasks),
                rate=_estimate([b for _, b, _ in pairs], "Clopper-Pearson") if suite.role == "guard" else None,
            )
        )
    retain = [suite for suite in results if suite.role == "retain"]
    target = [suite for suite in results if suite.role == "target"]
    missing = sum(suite.missing for suite in results)
    judged = [
        JudgeResult(
            "pairwise-general",
            sum(suite.n for suite in retain),
            4,
            Estimate(0.472, 0.011, 0.4504, 0.4936, LEVEL, "prompt-level t interval", 860),
            wins=300,
            ties=160,
            losses=400,
            order_flip_rate=0.183,
            first_slot_rate=0.561,
            exam=judge,
            cautions=("prefers the longer answer in 71 % of pairs",),
            length_controlled=LengthControl(
                Estimate(0.441, 0.014, 0.4136, 0.4684, LEVEL, "logistic in length, prompt bootstrap", 860),
                Estimate(0.62, 0.11, 0.40, 0.84, LEVEL, "prompt bootstrap", 860),
            ),
            repeat_consistency=Estimate(0.95, 0.05, 0.751, 0.999, LEVEL, "Clopper-Pearson", 20),
            repeats_n=20,
            unscored_by={"base": 0.004, "tuned": 0.001},
            cost=JudgeCost(1720, 12, 800_000, 20_000, 1.3, 1760, 910_000, 1.45),
            anchors=Anchors(100, 3, 2, 100, drifted=False, since="2026-01-02"),
            examined=None if judge == "none" else _exam(passed=judge == "passed"),
        )
        for _ in range(1 if judge is not None and retain else 0)
    ]
    comparison = Comparison(
        "base-model",
        "tuned-model",
        LEVEL,
        tuple(results),
        _pool(retain, -1),
        _pool(target, 1),
        tuple(judged),
        n=sum(suite.n for suite in results),
        missing=missing,
        failures={"out_of_memory": missing} if missing else {},
        cautions=cautions,
    )
    reasoning = any(suite.samples > 1 for suite in suites)
    manifest = _manifest(comparison, judged, {suite.name: suite.samples for suite in suites}, reasoning=reasoning)
    comparison = replace(comparison, test_time=at_test_time(samples_frame(records.table()), manifest))
    gates = _gates(comparison)
    verdicts = {gate.verdict for gate in gates if gate.required}
    outcome = "no_go" if "fail" in verdicts else "inconclusive" if "inconclusive" in verdicts or not complete else "go"
    decision = Decision(outcome, complete, tuple(gates), tuple(g.reason for g in gates if g.verdict != "pass"))
    table = records.table()
    comparison = replace(comparison, drift=measure_drift(samples_frame(table), manifest.suites, level=LEVEL))
    return Run(comparison, decision, manifest, table)


def _add_sampled(
    records: Records, suite: Planned, task: str, rng: random.Random
) -> list[tuple[float, float, str | None]]:
    """Items that both models reason about, `samples` times each: tuned is right more often, and thinks longer."""
    limit = 8192
    pairs: list[tuple[float, float, str | None]] = []
    for i in range(suite.items):
        gold = rng.randint(10, 999)
        example = Example(
            f"{task}-{i}", (Message("user", f"How many ways are there, of {gold * 7}?"),), answer=str(gold)
        )
        ease, means = rng.gauss(0, 1.6), []
        for arm, rate, thought in (("base", suite.base, 500), ("tuned", suite.tuned, 1800)):
            odds = math.exp(ease + math.log(rate / (1 - rate)) * 1.6)
            values: list[float] = []
            for sample in range(suite.samples):
                right = rng.random() < odds / (1 + odds)
                tokens = min(limit, round(thought * math.exp(rng.gauss(0, 0.7) - 0.35 * ease)))
                cut = tokens == limit
                answer = None if cut else str(gold if right else gold + rng.randint(1, 4))
                request = Request(arm, suite.name, task, example.id, example.messages, Sampling(max_tokens=limit))
                records.add(
                    suite.name,
                    task,
                    arm,
                    sample,
                    example,
                    Completion(
                        "" if answer is None else f"The answer is {answer}.",
                        reasoning="Count those that begin alike, then the rest.",
                        finish_reason="length" if cut else "stop",
                        usage=Usage(60, tokens),
                    ),
                    Score(
                        "number", float(right and not cut), answer, "truncated" if cut else None if right else "wrong"
                    ),
                    Prepared(request, f"<|user|>{example.messages[0].content}<|assistant|><think>\n", "k"),
                )
                values.append(float(right and not cut))
            means.append(sum(values) / len(values))
        pairs.append((means[0], means[1], "wrong" if means[1] < 1 else None))
    return pairs


def _estimate(values: list[float], method: str) -> Estimate:
    n = len(values)
    mean = sum(values) / n
    se = math.sqrt(sum((v - mean) ** 2 for v in values) / max(1, n - 1) / n)
    return Estimate(mean, se, mean - 1.96 * se, mean + 1.96 * se, LEVEL, method, n)


def _task(name: str, pairs: list[tuple[float, float, str | None]], missing: int) -> TaskResult:
    delta = _estimate([after - before for before, after, _ in pairs], "Tango score interval")
    causes = Counter(cause for before, after, cause in pairs if after < before and cause)
    return TaskResult(
        name,
        "number",
        len(pairs),
        missing,
        sum(before for before, _, _ in pairs) / len(pairs),
        sum(after for _, after, _ in pairs) / len(pairs),
        delta,
        sum(after < before for before, after, _ in pairs),
        sum(after > before for before, after, _ in pairs),
        sum(after == before > 0 for before, after, _ in pairs),
        sum(after == before == 0 for before, after, _ in pairs),
        dict(causes),
        ("12.0 % of tuned's answers were truncated",) if name == "gsm8k" else (),
    )


def _pool(suites: list[SuiteResult], sign: int) -> Estimate | None:
    if not suites:
        return None
    value = sum(sign * suite.delta.value for suite in suites) / len(suites)
    se = math.sqrt(sum((suite.delta.se or 0) ** 2 for suite in suites)) / len(suites)
    n = sum(suite.n for suite in suites)
    return Estimate(value, se, value - 1.96 * se, value + 1.96 * se, LEVEL, "weighted sum, Satterthwaite t", n)


def _gates(comparison: Comparison) -> list[Gate]:
    gates: list[Gate] = []

    def hold(kind: str, subject: str, rule: str, threshold: float, estimate: Estimate, *, more_is_better: bool) -> None:
        assert estimate.low is not None and estimate.high is not None
        good = estimate.low > threshold if more_is_better else estimate.high < threshold
        bad = estimate.high < threshold if more_is_better else estimate.low > threshold
        verdict = "pass" if good else "fail" if bad else "inconclusive"
        reason = f"{subject}: the interval {'lies inside' if good else 'lies outside' if bad else 'crosses'} the limit"
        gates.append(
            Gate(
                kind,
                subject,
                True,
                rule,
                threshold,
                estimate,
                verdict,
                reason,
                1120 if verdict == "inconclusive" else 0,
            )
        )

    if comparison.tax:
        hold("tax", "tax", "pooled tax below 2.0 pp", 0.02, comparison.tax, more_is_better=False)
    for suite in comparison.suites:
        match suite.role:
            case "target":
                hold("target", suite.name, "gain above 0.0 pp", 0.0, suite.delta, more_is_better=True)
            case "retain":
                margin = 0.05 if suite.margin is None else suite.margin
                rule = f"loss below {margin * 100:.1f} pp"
                hold("retain", suite.name, rule, -margin, suite.delta, more_is_better=True)
            case "guard":
                assert suite.rate
                hold("guard_rate", suite.name, "rate below 10.0 %", 0.1, suite.rate, more_is_better=False)
                hold("guard_increase", suite.name, "increase below 6.0 pp", 0.06, suite.delta, more_is_better=False)
    for judge in comparison.judges:
        assert judge.win_rate
        hold("judge", judge.name, "win rate above 45.0 %", 0.45, judge.win_rate, more_is_better=True)
        gates[-1] = replace(gates[-1], required=judge.exam == "passed")
    return gates


def _exam(*, passed: bool) -> ExamRecord:
    def share(value: float, half: float) -> Estimate:
        return Estimate(value, half / 2, value - half, value + half, LEVEL, "Clopper-Pearson", 240)

    return ExamRecord(
        "pairwise-general",
        "9d" * 16,
        "support-labels.jsonl",
        "4c" * 16,
        "pairs",
        240,
        2,
        share(0.81 if passed else 0.58, 0.05),
        kappa=Estimate(0.61, 0.04, 0.53, 0.69, LEVEL, "delta method", 260),
        human_agreement=share(0.84, 0.04),
        errors={
            "people prefer the first, the judge does not": share(0.17, 0.06),
            "people prefer the second, the judge does not": share(0.21, 0.07),
        },
        order_consistency=share(0.86, 0.04),
        slices=(
            ExamSlice("second much shorter", 70, share(0.78, 0.09)),
            ExamSlice("second much longer", 80, share(0.8, 0.08)),
        ),
        taken="2026-01-02",
    )


def _manifest(
    comparison: Comparison, judges: list[JudgeResult], samples: dict[str, int], *, reasoning: bool
) -> Manifest:
    def model(name: str, mark: str, adapter: str | None = None) -> ModelRecord:
        return ModelRecord(
            name,
            "vllm",
            "HuggingFaceTB/SmolLM2-135M-Instruct",
            mark * 16,
            revision="main",
            adapter=adapter,
            adapter_mode="served" if adapter else None,
            tokenizer_fingerprint="7e" * 16,
            template_hash="c4" * 8,
            format="chat",
            precision="bfloat16",
            context_limit=8192,
            engine="vllm",
            engine_version="0.32.1",
            engine_options={"max_model_len": 4096},
            sampling=Sampling(),
            reasoning=reasoning,
            thinking_budget=8192 if reasoning else None,
            file=f"{name.removesuffix('-model')}.yaml",
        )

    return Manifest(
        schema=1,
        run_id="20260923-141502-7f3a",
        created="2026-09-23T14:15:02+00:00",
        command="evalkit compare base.yaml tuned.yaml --suite quick",
        base=model("base-model", "a1"),
        tuned=model("tuned-model", "b2", "lora-out"),
        suites=tuple(
            SuiteRecord(
                suite.name,
                suite.role,
                "5f" * 16,
                tuple(
                    TaskRecord(
                        t.name,
                        "generate",
                        t.metric,
                        t.n + t.missing,
                        t.n + t.missing,
                        samples[suite.name],
                        votes="answer",
                    )
                    for t in suite.tasks
                ),
                margin=suite.margin,
                source="own writing",
                licence="Apache-2.0",
            )
            for suite in comparison.suites
        ),
        judges=tuple(
            JudgeRecord(judge.name, "pairwise", "9d" * 16, model("judge-model", "e5"), judge.examined)
            for judge in judges
        ),
        policy={"level": 0.95, "tax": {"max": 0.02}, "retain": {"margin": 0.05}, "inconclusive": "fail"},
        versions={"evalkit": "0.1.0", "python": "3.11.9", "vllm": "0.32.1"},
        hardware={"cpu": "AMD EPYC, 2 cores", "memory": "24 GiB"},
        phases=(
            Phase("base: loading", 21.4),
            Phase("base: compiling", 9.8, beside=True),
            Phase("base: generating", 312.0, 1300, 0, 104000, 90000, tokens_per_second=90000 / 312),
            Phase("base: prefill", 61.0, prompt_tokens=104000, beside=True, tokens_per_second=104000 / 61),
            Phase("base: decode", 251.0, completion_tokens=90000, beside=True, tokens_per_second=90000 / 251),
            Phase("base: scoring", 3.1, beside=True),
            Phase("tuned: generating", 298.5, 1300, 400, 104000, 88000, tokens_per_second=88000 / 298.5),
            Phase("judging", 120.0, 1720, 0, 800000, 20000, tokens_per_second=20000 / 120),
            Phase("deciding", 1.4),
        ),
        cautions=("the two models' rendered prompts differ in their system turn",),
    )
