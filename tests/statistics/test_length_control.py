import json
import sys

import numpy as np
import pytest

from evalkit.statistics import alpaca_eval_length_controlled, length_controlled
from evalkit.types import InputError

RNG = np.random.default_rng


def rows_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def drawn(rng, n=400, intercept=0.3, slope=1.5):
    """Scores of a judge that likes length: at equal length tuned wins with probability 1 / (1 + exp(-intercept))."""
    d = rng.normal(50, 200, n)
    z = np.tanh(d / 200)
    return (rng.random(n) < 1 / (1 + np.exp(-intercept - slope * z))).astype(float), d


def test_against_statsmodels_logit():
    import statsmodels.api as sm

    y, d = drawn(RNG(0))
    z = np.tanh(d / d.std(ddof=1))
    reference = sm.GLM(y, sm.add_constant(z), family=sm.families.Binomial()).fit()
    got = length_controlled(y, d, rng=RNG(1), rounds=50)
    assert got.slope.value == pytest.approx(reference.params[1], abs=2e-3)
    assert got.win_rate.value == pytest.approx(1 / (1 + np.exp(-reference.params[0])), abs=1e-3)


def test_a_judge_that_only_counts_characters_prefers_nobody_at_equal_length():
    d = RNG(2).normal(300, 200, 500)
    got = length_controlled((d > 0).astype(float), d, rng=RNG(3))
    assert (d > 0).mean() > 0.9 and got.win_rate.low < 0.5 < got.win_rate.high
    assert got.slope.low > 0


def test_swapping_the_models_mirrors_everything():
    y, d = drawn(RNG(4))
    there, back = length_controlled(y, d, rng=RNG(5)), length_controlled(1 - y, -d, rng=RNG(5))
    assert there.win_rate.value == pytest.approx(1 - back.win_rate.value)
    assert there.slope.value == pytest.approx(back.slope.value)


def test_coverage_at_its_level():
    truth = 1 / (1 + np.exp(-0.3))
    rng = RNG(6)
    held = 0
    for _ in range(400):
        y, d = drawn(rng, n=300)
        # Standardising by the sample: at zero difference the features are the same whatever the scale.
        got = length_controlled(y, d, rng=rng, rounds=200).win_rate
        held += got.low <= truth <= got.high
    assert 368 <= held <= 392  # 92 to 98 % of 400: three standard errors about 95 %


def test_no_support_at_equal_length_is_said():
    rng = RNG(7)
    d = np.concatenate([rng.normal(400, 20, 100), rng.normal(-400, 20, 100)])
    got = length_controlled((rng.random(200) < 0.5).astype(float), d, rng=rng)
    assert not got.supported and "extrapolated" in got.win_rate.cautions[0]


@pytest.mark.parametrize(
    ("y", "d", "why"),
    [
        (np.ones(50), np.arange(50), "scores the same"),
        (np.arange(50) % 2, np.full(50, 7), "every length difference is the same"),
        (np.arange(10) % 2, np.arange(10), "10 prompts"),
    ],
)
def test_degenerate_input_gives_no_interval_and_says_why(y, d, why):
    got = length_controlled(y, d, rng=RNG(0))
    assert got.win_rate.low is None and np.isnan(got.win_rate.value) and why in got.win_rate.cautions[0]


def test_few_clusters_give_no_interval_however_many_prompts_they_hold():
    y, d = drawn(RNG(10), n=200)
    got = length_controlled(y, d, np.arange(200) % 8, rng=RNG(0))
    assert got.win_rate.low is None and "8 clusters" in got.win_rate.cautions[0]


def test_near_prompts_on_one_side_only_are_no_support():
    rng = RNG(8)
    d = 20 + rng.exponential(200, 300)  # tuned always writes more
    got = length_controlled((rng.random(300) < 0.6).astype(float), d, rng=rng)
    assert not got.supported and "always the longer one" in got.win_rate.cautions[0]


def test_resamples_in_parts_are_the_same_resamples(monkeypatch):
    from evalkit.statistics import length_control

    y, d = drawn(RNG(9), n=100)
    whole = length_controlled(y, d, rng=RNG(1), rounds=60)
    monkeypatch.setattr(length_control, "_CELLS", 700)
    parts = length_controlled(y, d, rng=RNG(1), rounds=60)
    assert (parts.win_rate.low, parts.slope.se) == pytest.approx((whole.win_rate.low, whole.slope.se), rel=1e-6)


def test_wins_that_length_parts_from_losses_stay_finite():
    d = np.arange(-50, 50) + 0.5
    got = length_controlled((d > 0).astype(float), d, rng=RNG(0))
    assert np.isfinite([got.slope.value, got.slope.se, got.win_rate.se]).all()
    assert got.win_rate.low < 0.5 < got.win_rate.high


@pytest.mark.parametrize(
    ("scores", "lengths", "why"), [([1, 0, 1], [1, 2, 3], "3 prompts"), ([1, 0] * 10, [7] * 20, "the same")]
)
def test_alpaca_evals_estimator_gives_no_number_where_it_has_none(scores, lengths, why):
    pytest.importorskip("sklearn")
    got = alpaca_eval_length_controlled(scores, lengths, np.zeros(len(scores)))
    assert np.isnan(got.value) and why in got.cautions[0]


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(InputError, match=r"evalkit-gate\[judges\]"):
        alpaca_eval_length_controlled([0, 1] * 10, np.arange(20), np.zeros(20))


def annotations(recorded, model):
    folder = recorded / "alpaca_eval"
    baseline = rows_of(folder / "baseline_gpt4_1106_preview.jsonl")
    rows = rows_of(folder / f"{model}.jsonl")
    difficulty = json.loads((folder / "instruction_difficulty.json").read_text())["instruction_difficulty"]
    expected = json.loads((folder / "expected.json").read_text())["models"][model]
    scores = [row["preference"] - 1 for row in rows]
    base, tuned = [len(baseline[row["i"]]["output"]) for row in rows], [len(row["output"]) for row in rows]
    return scores, base, tuned, [difficulty[row["i"]] for row in rows], expected


MODELS = ["alpaca-7b", "alpaca-farm-ppo-human", "oasst-sft-llama-33b", "oasst-rlhf-llama-33b"]


@pytest.mark.parametrize("model", MODELS)
def test_alpaca_evals_own_numbers_are_reproduced(recorded, model):
    pytest.importorskip("sklearn")
    scores, base, tuned, difficulty, expected = annotations(recorded, model)
    minimal = alpaca_eval_length_controlled(scores, base, tuned)
    noreg = alpaca_eval_length_controlled(scores, base, tuned, difficulty)
    assert 100 * minimal.value == pytest.approx(expected["lc_minimal"]["length_controlled_winrate"], abs=0.05)
    assert 100 * noreg.value == pytest.approx(expected["lc_noreg"]["length_controlled_winrate"], abs=0.05)
    assert minimal.low is None and "taken" not in minimal.method and minimal.cautions


def test_our_interval_holds_alpaca_evals_value_and_is_wider_than_its_error_says(recorded):
    pytest.importorskip("sklearn")
    scores, base, tuned, difficulty, _ = annotations(recorded, MODELS[3])
    ours = length_controlled(scores, np.array(tuned) - np.array(base), rng=RNG(0)).win_rate
    theirs = alpaca_eval_length_controlled(scores, base, tuned, difficulty)
    assert ours.low < alpaca_eval_length_controlled(scores, base, tuned).value < ours.high
    assert ours.se > 2 * theirs.se


def test_clusters_are_drawn_whole():
    rng = np.random.default_rng(2)
    difference = rng.normal(0, 300, 100)
    scores = (rng.random(100) < 1 / (1 + np.exp(-difference / 300))).astype(float)
    once = length_controlled(scores, difference, rng=np.random.default_rng(0))
    twice = length_controlled(
        np.repeat(scores, 2), np.repeat(difference, 2), np.repeat(np.arange(100), 2), rng=np.random.default_rng(0)
    )
    naive = length_controlled(np.repeat(scores, 2), np.repeat(difference, 2), rng=np.random.default_rng(0))
    assert twice.win_rate.se == pytest.approx(once.win_rate.se, rel=0.02)
    assert naive.win_rate.se < 0.8 * once.win_rate.se
