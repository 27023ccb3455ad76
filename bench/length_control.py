"""Length-controlled win rates on AlpacaEval's annotations: three estimators, and whose standard error is right.

    python bench/length_control.py ALPACA_EVAL_FOLDER

One table. `claimed`: the standard error that comes with the number. `bootstrap`: prompts drawn anew from the real annotations and
everything fitted again. `simulated`: the standard deviation of the estimate over data drawn from a known model, which is
what a standard error estimates; `mean claimed` and `covered` are of the same repetitions: how often the 95 % interval
(ours, or value -+ 1.96 claimed) holds the mean of the estimates.

The known model is logistic in tanh of length and in the instruction's difficulty, fitted to the real annotations; each
repetition draws prompts and then winners. The last rows are a constant answer of 870 characters to every prompt, as AlpacaEval's
NullModel gave: set to its published win rates (76.9 %, length-controlled 86.5 %) and published error (0.142), with which
its difficulty coefficient is fixed. Its own annotations are not needed.

The folder holds MODEL.jsonl with `i`, `output`, `preference`; baseline_gpt4_1106_preview.jsonl; instruction_difficulty.json; and
expected.json with what alpaca_eval 0.6.6 gives.
Source: Dubois et al. 2024, arXiv:2404.04475, github.com/tatsu-lab/alpaca_eval; Zheng et al. 2024, arXiv:2410.07137 (constant answers).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalkit.statistics import alpaca_eval_length_controlled, length_controlled
from evalkit.types import Estimate

CONSTANT, NULL_RAW, NULL_CONTROLLED, NULL_SE = 870, 0.769, 0.865, 0.00142
Fit = Callable[["Annotated", np.random.Generator], Estimate]


@dataclass(frozen=True, slots=True)
class Annotated:
    """One model against the baseline; scores are the model's, lengths in characters, difficulty as published."""

    scores: np.ndarray
    base: np.ndarray
    tuned: np.ndarray
    difficulty: np.ndarray

    def of(self, prompts: np.ndarray) -> Annotated:
        """The same with these prompts, which may repeat."""
        return Annotated(self.scores[prompts], self.base[prompts], self.tuned[prompts], self.difficulty[prompts])

    def with_scores(self, scores: np.ndarray) -> Annotated:
        """The same with other scores."""
        return Annotated(scores, self.base, self.tuned, self.difficulty)

    @property
    def unlike(self) -> np.ndarray:
        """Tanh of the standardised length difference, tuned - base."""
        difference = self.tuned - self.base
        return np.tanh(difference / difference.std(ddof=1))


def ours(rounds: int) -> Fit:
    """The one that evalkit reports, with an interval by bootstrap."""
    return lambda data, rng: length_controlled(data.scores, data.tuned - data.base, rng=rng, rounds=rounds).win_rate


def alpaca_eval(data: Annotated, rng: np.random.Generator) -> Estimate:
    """AlpacaEval's length_controlled_noreg."""
    return alpaca_eval_length_controlled(data.scores, data.base, data.tuned, data.difficulty)


def alpaca_eval_minimal(data: Annotated, rng: np.random.Generator) -> Estimate:
    """AlpacaEval's length_controlled_minimal, without the instructions' difficulty."""
    return alpaca_eval_length_controlled(data.scores, data.base, data.tuned)


def read(folder: Path, model: str) -> Annotated:
    """One model's annotations."""
    baseline = _rows(folder / "baseline_gpt4_1106_preview.jsonl")
    difficulty = json.loads((folder / "instruction_difficulty.json").read_text())["instruction_difficulty"]
    rows = _rows(folder / f"{model}.jsonl")
    return Annotated(
        np.array([row["preference"] - 1 for row in rows]),
        np.array([len(baseline[row["i"]]["output"]) for row in rows], dtype=float),
        np.array([len(row["output"]) for row in rows], dtype=float),
        np.array([difficulty[row["i"]] for row in rows]),
    )


def chances(data: Annotated) -> np.ndarray:
    """Of winning each prompt: logistic in length and difficulty, fitted to the annotations."""
    import statsmodels.api as sm

    x = np.stack([np.ones(data.scores.size), data.unlike, data.difficulty], axis=1)
    return np.asarray(sm.GLM(data.scores, x, family=sm.families.Binomial()).fit().fittedvalues)


def constant_answer(data: Annotated) -> tuple[Annotated, np.ndarray]:
    """A constant answer to the same prompts, and its chances, that give NullModel's published numbers."""
    from scipy.optimize import fsolve

    data = Annotated(data.scores, data.base, np.full(data.base.size, float(CONSTANT)), data.difficulty)

    def rates(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        held = at[0] + at[2] * data.difficulty
        return _logistic(held + at[1] * data.unlike), _logistic(held)

    def off(at: np.ndarray) -> list[float]:
        won, held = rates(at)
        se = held.std(ddof=1) / np.sqrt(held.size)
        return [won.mean() - NULL_RAW, held.mean() - NULL_CONTROLLED, 100 * (se - NULL_SE)]

    return data, rates(fsolve(off, np.array([1.8, 1.0, 0.2])))[0]


@dataclass(frozen=True, slots=True)
class Simulated:
    """Over repetitions: sd of the estimates, the mean claimed standard error, and the share of intervals that cover."""

    sd: float
    claimed: float
    covered: float


def simulate(fit: Fit, data: Annotated, chance: np.ndarray, repetitions: int, rng: np.random.Generator) -> Simulated:
    """Draw prompts and winners anew, and fit."""
    values, errors, lows, highs = [], [], [], []
    for _ in range(repetitions):
        prompts = rng.integers(chance.size, size=chance.size)
        won = (rng.random(chance.size) < chance[prompts]).astype(float)
        one = fit(data.of(prompts).with_scores(won), rng)
        half = 1.96 * (one.se or 0.0)
        values.append(one.value)
        errors.append(one.se or 0.0)
        lows.append(one.value - half if one.low is None else one.low)
        highs.append(one.value + half if one.high is None else one.high)
    centre = np.mean(values)
    covered = np.mean((np.array(lows) <= centre) & (centre <= np.array(highs)))
    return Simulated(float(np.std(values, ddof=1)), float(np.mean(errors)), float(covered))


def bootstrapped(fit: Fit, data: Annotated, rounds: int, rng: np.random.Generator) -> float:
    """The standard deviation of the estimate over draws of the real prompts."""
    n = data.scores.size
    return float(np.std([fit(data.of(rng.integers(n, size=n)), rng).value for _ in range(rounds)], ddof=1))


def table(folder: Path, repetitions: int, seed: int) -> str:
    """One line a model and estimator; everything in percent."""
    expected = json.loads((folder / "expected.json").read_text())["models"]
    lines = [
        f"{'model':<22} {'estimator':<28} {'value':>6} {'claimed':>8} {'bootstrap':>10} {'simulated':>10} "
        f"{'mean claimed':>13} {'covered':>8}"
    ]

    def line(model: str, estimator: str, *numbers: float | None, digits: tuple[int, ...] = (2, 3, 3, 3, 3, 1)) -> None:
        widths = (6, 8, 10, 10, 13, 8)
        cells = ["-" if x is None else f"{100 * x:.{d}f}" for x, d in zip(numbers, digits, strict=True)]
        lines.append(
            f"{model:<22} {estimator:<28} " + " ".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))
        )

    for model, held in expected.items():
        data = read(folder, model)
        rng = np.random.default_rng(seed)
        published = held["lc_from_published_weights"]
        line(model, "published", published["length_controlled_winrate"] / 100, published["lc_standard_error"] / 100,
             None, None, None, None)  # fmt: skip
        chance = chances(data)
        for name, fit in (("AlpacaEval noreg", alpaca_eval), ("AlpacaEval minimal", alpaca_eval_minimal)):
            got, again = fit(data, rng), simulate(fit, data, chance, repetitions, rng)
            spread = bootstrapped(fit, data, repetitions, rng)
            line(model, name, got.value, got.se, spread, again.sd, again.claimed, again.covered)
        got, again = ours(2000)(data, rng), simulate(ours(300), data, chance, repetitions, rng)
        line(model, "evalkit", got.value, got.se, got.se, again.sd, again.claimed, again.covered)
    data, chance = constant_answer(read(folder, next(iter(expected))))
    line("constant answer", "published (NullModel)", NULL_CONTROLLED, NULL_SE, None, None, None, None)
    for name, fit in (
        ("AlpacaEval noreg", alpaca_eval), ("AlpacaEval minimal", alpaca_eval_minimal), ("evalkit", ours(300))
    ):  # fmt: skip
        again = simulate(fit, data, chance, repetitions, np.random.default_rng(seed))
        line("constant answer", name, None, None, None, again.sd, again.claimed, again.covered)
    return "\n".join(lines)


def _rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def _logistic(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Whose standard error of a length-controlled win rate is right.")
    parser.add_argument("folder", type=Path, help="AlpacaEval's annotations, as the docstring of this file says")
    parser.add_argument("--repetitions", type=int, default=300, help="of each bootstrap and simulation (default 300)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not (options.folder / "expected.json").is_file():
        parser.error(f"no such file: {options.folder / 'expected.json'}")
    print(table(options.folder, options.repetitions, options.seed))


if __name__ == "__main__":
    main()
