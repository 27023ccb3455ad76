import json
import math
import sys

import numpy as np
import pytest

from evalkit.statistics import bradley_terry
from evalkit.types import InputError

pytest.importorskip("evalica")
RNG = np.random.default_rng


def ranked(battles, models, *, baseline=0, rng=None, **options):
    """battles: rows (prompt, first, second, second's score)."""
    prompt, first, second, score = (np.array(column) for column in zip(*battles, strict=True))
    rng = rng or RNG(0)
    return bradley_terry(
        first.astype(int), second.astype(int), score, prompt, models=models, baseline=baseline, rng=rng, **options
    )


def test_hand_worked():
    # 30 wins and 10 losses: odds of 3, so 1000 + 400 log10(3) = 1190.8485 and a win rate of 3/4
    _, other = ranked([(i, 0, 1, float(i < 30)) for i in range(40)], 2)
    assert other.elo.value == pytest.approx(1190.8485, abs=1e-3)
    assert other.win_rate.value == pytest.approx(0.75, abs=1e-7)
    assert (other.elo.n, other.battles) == (40, 40)


def test_a_tie_is_half_a_win_and_half_a_loss():
    ties = ranked([(i, 0, 1, 0.5 if i < 20 else 1.0) for i in range(40)], 2)[1]
    wins = ranked([(i, 0, 1, 0.0 if i < 10 else 1.0) for i in range(40)], 2)[1]
    assert ties.elo.value == pytest.approx(wins.elo.value, abs=1e-5)


def test_against_statsmodels_logit_where_all_fight_all():
    import statsmodels.api as sm

    rng = RNG(1)
    truth = np.array([0.0, 0.8, -0.5, 1.4])
    battles = []
    for prompt in range(80):
        for i in range(4):
            for j in range(i + 1, 4):
                battles.append((prompt, i, j, rng.choice([0.5, float(rng.random() < 1 / (1 + math.exp(truth[i] - truth[j])))])))  # fmt: skip
    x = np.zeros((len(battles), 4))
    for row, (_, i, j, _score) in enumerate(battles):
        x[row, i], x[row, j] = -1, 1
    reference = sm.GLM([score for *_, score in battles], x[:, 1:], family=sm.families.Binomial()).fit()
    got = ranked(battles, 4, rounds=20)
    assert [one.elo.value for one in got[1:]] == pytest.approx(1000 + 400 / math.log(10) * reference.params, abs=1e-3)


def test_against_arena_hards_own_code(recorded):
    folder = recorded / "arena_hard_battles"
    expected = json.loads((folder / "expected.json").read_text())
    rows = [json.loads(line) for line in (folder / "battles.jsonl").read_text().split("\n") if line]
    names = [expected["baseline"], *(name for name in expected["elo_bt"] if name != expected["baseline"])]
    worth = {"model_a": 0.0, "tie": 0.5, "model_b": 1.0}
    battles = [
        (row["question_id"], names.index(row["model_a"]), names.index(row["model_b"]), worth[row["winner"]])
        for row in rows
    ]
    got = dict(zip(names, ranked(battles, len(names)), strict=True))
    for name in names:
        assert got[name].elo.value == pytest.approx(expected["elo_bt"][name], abs=1e-2)
        assert 100 * got[name].win_rate.value == pytest.approx(expected["win_rate_pct_vs_baseline"][name], abs=5e-3)
        # Rows repeated for a clear win are no new evidence: its own bootstrap, of rows, is too sure.
        low, high = expected["ci95_bootstrap100_seed42"][name]
        if name != expected["baseline"]:
            assert 100 * (got[name].win_rate.high - got[name].win_rate.low) > 1.5 * (high - low)


def test_another_baseline_moves_the_scale_and_nothing_else():
    rng = RNG(2)
    battles = [(i, 0, 1 + i % 2, float(rng.random() < 0.6)) for i in range(200)]
    from_first, from_last = ranked(battles, 3), ranked(battles, 3, baseline=2)
    assert from_last[2].elo.value == 1000 and from_last[2].win_rate.value == 0.5
    assert from_last[1].elo.value - from_last[0].elo.value == pytest.approx(
        from_first[1].elo.value - from_first[0].elo.value, abs=1e-4
    )


def test_counting_every_battle_three_times_makes_nothing_surer():
    rng = RNG(3)
    battles = [(i, 0, 1, float(rng.random() < 0.6)) for i in range(100)]
    once, thrice = ranked(battles, 2)[1], ranked([battle for battle in battles for _ in range(3)], 2)[1]
    assert (once.elo.low, once.elo.high) == pytest.approx((thrice.elo.low, thrice.elo.high), abs=1e-3)


@pytest.mark.parametrize("n", [25, 100])
def test_coverage_at_its_level(n):
    rng = RNG(4)
    truth = np.array([0.0, 0.5, -0.8])
    held, asked = 0, 0
    for _ in range(200):
        ease = rng.normal(0, 1, n)  # a prompt on which challengers do well, all of them
        battles = [
            (i, 0, j, float(rng.random() < 1 / (1 + math.exp(-truth[j] - ease[i])))) for i in range(n) for j in (1, 2)
        ]
        for j, one in enumerate(ranked(battles, 3, rng=rng, rounds=200)[1:], start=1):
            expected = np.mean(1 / (1 + np.exp(-truth[j] - RNG(9).normal(0, 1, 20000))))
            held += one.win_rate.low <= expected <= one.win_rate.high
            asked += 1
    assert 0.92 <= held / asked <= 0.98  # 400 intervals, three standard errors about 95 %


# --- degenerate ----------------------------------------------------------------------------------------------------


def test_a_model_that_won_everything_has_no_finite_strength_and_no_interval():
    battles = [(i, 0, 1, 1.0) for i in range(50)] + [(i, 0, 2, float(i % 3 == 0)) for i in range(50)]
    _, winner, other = ranked(battles, 3)
    assert math.isinf(winner.elo.value) and winner.win_rate.value == 1
    assert winner.elo.low is None and winner.win_rate.low is None and "won all" in winner.elo.cautions[0]
    assert other.win_rate.value == pytest.approx(17 / 50, abs=1e-6) and other.win_rate.low is not None


def test_two_that_only_lost_to_a_third_do_not_compare():
    _, _, other = ranked([(i, 0, 1, 1.0) for i in range(30)] + [(i, 2, 1, 1.0) for i in range(30)], 3)
    assert math.isnan(other.elo.value) and math.isnan(other.win_rate.value) and other.win_rate.se is None


def test_one_loss_in_many_bounds_the_win_rate_and_not_the_strength():
    other = ranked([(i, 0, 1, float(i > 0)) for i in range(60)], 2)[1]
    assert other.elo.low is None and other.elo.se is None and "resamples" in other.elo.cautions[-1]
    assert other.win_rate.low < 59 / 60 < other.win_rate.high


def test_all_ties_give_no_interval_of_zero_width():
    other = ranked([(i, 0, 1, 0.5) for i in range(60)], 2)[1]
    assert other.win_rate.value == 0.5 and other.win_rate.low is None and "same" in other.win_rate.cautions[0]


def test_fewer_than_20_prompts_give_no_interval_however_often_each_is_fought():
    other = ranked([(i % 19, 0, 1, float(i % 3 == 0)) for i in range(190)], 2)[1]
    assert other.elo.low is None and "19 prompts" in other.elo.cautions[0]


@pytest.mark.parametrize(
    ("battles", "said"),
    [([(0, 0, 0, 1.0)], "two different"), ([(0, 0, 5, 1.0)], "from 0 to 1"), ([(0, 0, 1, 2.0)], r"\[0, 1\]")],
)
def test_what_is_no_battle_is_refused(battles, said):
    with pytest.raises(ValueError, match=said):
        ranked(battles, 2)


def test_without_evalica_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "evalica", None)
    with pytest.raises(InputError, match=r"evalkit-gate\[judges\]"):
        ranked([(i, 0, 1, float(i % 2)) for i in range(40)], 2)
