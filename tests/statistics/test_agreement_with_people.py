"""Agreement of a judge with people: hand-worked, against other implementations, by simulation, and with nothing to go on."""

import json
import math
from itertools import groupby

import numpy as np
import pytest

from evalkit.statistics import agreement_between, agreement_rate, agreement_with, clopper_pearson, cohens_kappa


def rows_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


# --- a share of agreement ---


def test_items_that_agree_or_not_have_the_exact_interval():
    assert agreement_rate([1, 1, 1, 0]) == clopper_pearson(3, 4)


def test_halves_hand_worked():
    # mean .75, variance of the mean (.75^2 + .25^2 + 2 * .25^2) / 4^2 * 4/3 = .0625: three items' worth of .75 * .25
    estimate = agreement_rate([0, 0.5, 1, 1, 1, 1, 0.5, 1], level=0.9)
    spread = 0.75 * 0.25 / ((0.5625 + 2 * 0.0625 + 5 * 0.0625) / 64 * 8 / 7)
    assert estimate.value == 0.75 and estimate.n == 8
    assert estimate.se == pytest.approx(math.sqrt(0.75 * 0.25 / spread))
    from scipy.stats import beta

    hits = 0.75 * spread
    assert estimate.low == pytest.approx(beta.ppf(0.05, hits, spread - hits + 1))
    assert estimate.high == pytest.approx(beta.ppf(0.95, hits + 1, spread - hits))


def test_equal_weights_change_no_value_and_unequal_ones_follow_the_population():
    values = [1, 1, 0.5, 0, 1, 0.5]
    plain, weighted = agreement_rate(values), agreement_rate(values, [3] * 6)
    assert (plain.value, plain.low, plain.high) == pytest.approx((weighted.value, weighted.low, weighted.high))
    assert agreement_rate([1, 0], [1, 3]).value == 0.25


@pytest.mark.parametrize("shares", [(0.05, 0.1, 0.85), (0.1, 0.5, 0.4), (0.01, 0.03, 0.96), (0.3, 0.2, 0.5)])
@pytest.mark.parametrize("n", [15, 60])
def test_each_end_is_missed_no_more_often_than_it_says(shares, n):
    rng = np.random.default_rng(20240501)
    truth = 0.5 * shares[1] + shares[2]
    drawn = [agreement_rate(rng.choice([0, 0.5, 1], n, p=shares)) for _ in range(1000)]
    too_high = np.mean([one.low > truth for one in drawn])
    too_low = np.mean([one.high < truth for one in drawn])
    assert too_high <= 0.04 and too_low <= 0.04  # 2.5 % and three standard errors


def test_labels_drawn_with_unequal_probabilities_cover_the_population():
    rng = np.random.default_rng(7)
    population = rng.choice([0, 0.5, 1], 2000, p=(0.2, 0.1, 0.7))
    chance = np.where(population < 1, 0.12, 0.04)  # what looks wrong is drawn three times as often
    truth, covered, naive = population.mean(), 0, 0
    for _ in range(500):
        mine = rng.random(2000) < chance
        estimate = agreement_rate(population[mine], 1 / chance[mine])
        covered += estimate.low <= truth <= estimate.high
        plain = agreement_rate(population[mine])
        naive += plain.low <= truth <= plain.high
    assert covered / 500 > 0.92 and naive / 500 < 0.2


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_items_all_alike_still_leave_doubt(value):
    for estimate in (agreement_rate([value] * 30), agreement_rate([value] * 30, [1, 4, 9] * 10)):
        assert estimate.low is not None and estimate.high is not None and estimate.high - estimate.low > 0.1
    # Unequal weights are worth fewer items.
    assert agreement_rate([1] * 30, [1, 4, 9] * 10).low < agreement_rate([1] * 30).low


def test_nothing_labelled_has_no_value_and_nonsense_is_refused():
    for estimate in (agreement_rate([]), agreement_between([["first"]]), cohens_kappa([], [])):
        assert math.isnan(estimate.value) and estimate.low is None and estimate.cautions
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        agreement_rate([1, math.nan])
    with pytest.raises(ValueError, match="weights"):
        agreement_rate([1, 0], [1, 0])
    with pytest.raises(ValueError, match="same items"):
        cohens_kappa(["a"], [])


# --- Cohen's kappa ---


def test_kappa_hand_worked():
    # 45 yes-yes, 15 yes-no, 25 no-yes, 15 no-no: observed .6, chance .6 * .7 + .4 * .3 = .54, kappa .06 / .46
    first = ["y"] * 60 + ["n"] * 40
    second = ["y"] * 45 + ["n"] * 15 + ["y"] * 25 + ["n"] * 15
    assert cohens_kappa(first, second).value == pytest.approx(0.06 / 0.46)


def test_kappa_against_statsmodels_and_scikit_learn():
    from statsmodels.stats.inter_rater import cohens_kappa as reference
    from statsmodels.stats.inter_rater import to_table

    rng = np.random.default_rng(3)
    first = rng.choice(["first", "second", "tie"], 200, p=[0.5, 0.3, 0.2])
    second = np.where(rng.random(200) < 0.6, first, rng.choice(["first", "second", "tie"], 200))
    codes = {"first": 0, "second": 1, "tie": 2}
    table, _ = to_table(np.array([[codes[x], codes[y]] for x, y in zip(first, second, strict=True)]))
    known = reference(table)
    got = cohens_kappa(list(first), list(second))
    assert (got.value, got.se) == pytest.approx((known.kappa, known.std_kappa))
    assert (got.low, got.high) == pytest.approx((known.kappa_low, known.kappa_upp))
    weights = rng.integers(1, 5, 200)
    repeated = cohens_kappa(list(np.repeat(first, weights)), list(np.repeat(second, weights)))
    assert cohens_kappa(list(first), list(second), weights).value == pytest.approx(repeated.value)


def test_kappa_covers():
    rng = np.random.default_rng(11)
    # Raters who agree on .7 + .3 * .5 of items, both halves alike: kappa .7
    covered = 0
    for _ in range(600):
        first = rng.random(120) < 0.5
        second = np.where(rng.random(120) < 0.7, first, rng.random(120) < 0.5)
        estimate = cohens_kappa(list(first), list(second))
        covered += estimate.low <= 0.7 <= estimate.high
    assert 0.92 < covered / 600 < 0.98


def test_kappa_of_raters_who_always_agree_has_a_width_and_of_one_word_there_is_none():
    always = cohens_kappa(["a", "b"] * 20, ["a", "b"] * 20)
    assert always.value == 1.0 and always.low == pytest.approx((clopper_pearson(40, 40).low - 0.5) / 0.5)
    one_word = cohens_kappa(["a"] * 20, ["a"] * 20)
    assert math.isnan(one_word.value) and one_word.low is None and "throughout" in one_word.cautions[0]


def test_pandalm_kappas_as_published(recorded):
    rows = rows_of(recorded / "judge_pandalm" / "pairs_0_499.jsonl")
    expected = json.loads((recorded / "judge_pandalm" / "expected.json").read_text())["shared_0_499"]
    people = [[row[f"annotator{n}"] for n in (1, 2, 3)] for row in rows]
    for x, y in ((0, 1), (0, 2), (1, 2)):
        known = expected[f"annotator{x + 1}_vs_{y + 1}"]
        votes = [[three[x] for three in people], [three[y] for three in people]]
        assert cohens_kappa(*votes).value == pytest.approx(known["cohen_kappa"])
        assert agreement_with(votes[0], [[vote] for vote in votes[1]]).value == pytest.approx(known["agreement"])
    majority = [max(set(three), key=three.count) for three in people]
    words = {"1": 1, "2": 2, "Tie": 0, "garbage": -1}
    for name, said in (
        ("gpt35", [words[row["gpt35"]] for row in rows]),
        ("pandalm7b", [row["pandalm7b"] for row in rows]),
    ):
        assert cohens_kappa(majority, said).value == pytest.approx(expected[name]["cohen_kappa"])
        assert agreement_with(said, [[one] for one in majority]).value == pytest.approx(expected[name]["accuracy"])


# --- votes of people ---


def test_pairs_of_people_hand_worked():
    votes = [["first", "first", "second"], ["tie", "tie"], ["first"], ["second", "tie"]]
    # pairs: 1 of 3, 1 of 1, none, 0 of 1; without ties only the first item is left
    assert (agreement_between(votes).value, agreement_between(votes).n) == (2 / 5, 5)
    assert (agreement_between(votes, ties=False).value, agreement_between(votes, ties=False).n) == (1 / 3, 3)
    assert agreement_with(["first", "tie", "tie", "tie"], votes).value == 5 / 8


def test_several_votes_on_an_item_are_not_several_items():
    alone = agreement_between([["a", "a"]] * 40 + [["a", "b"]] * 20)
    copied = agreement_between([["a"] * 4] * 40 + [["a", "a", "b", "b"]] * 20)
    assert copied.n == 6 * alone.n
    assert copied.high - copied.low > 0.6 * (alone.high - alone.low)


@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.parametrize("ties", [True, False])
def test_mt_bench_agreement_as_fastchat_counts_it(recorded, turn, ties):
    folder = recorded / "judge_mt_bench_human"
    expected = json.loads((folder / "expected.json").read_text())["agreement"]

    def votes_of(name, who):
        votes = {}
        for row in rows_of(folder / f"{name}.jsonl"):
            if row["turn"] != turn or not row["judge"].startswith(who):
                continue
            swapped = row["model_a"] > row["model_b"]
            winner = "tie" if "tie" in row["winner"] else row["winner"]
            winner = {"model_a": "model_b", "model_b": "model_a"}.get(winner, winner) if swapped else winner
            key = (row["question_id"], *sorted((row["model_a"], row["model_b"])))
            votes.setdefault(key, []).append(winner)
        return votes

    people, judge = votes_of("human_votes", "expert_"), votes_of("gpt4_pair", "gpt4_pair")
    kind = "with_tie" if ties else "without_tie"
    known = expected[f"human_vs_human.turn{turn}.{kind}"]
    got = agreement_between(list(people.values()), ties=ties)
    assert (got.value, got.n) == (pytest.approx(known["ratio"]), known["total"])
    both = [key for key in people if key in judge]
    assert not [key for key, group in groupby(sorted(both)) if len(judge[key]) != 1]
    known = expected[f"gpt4_pair_vs_human.turn{turn}.{kind}"]
    got = agreement_with([judge[key][0] for key in both], [people[key] for key in both], ties=ties)
    assert (got.value, got.n) == (pytest.approx(known["ratio"]), known["total"])
    assert got.low < got.value < got.high
