import json

import numpy as np
import pytest

from evalkit.statistics import (
    drawing_order,
    drawing_shares,
    inclusion_probabilities,
    ppi_mean,
    ppi_mean_drawn,
    rests_on_too_few,
    win_rate,
)

RNG = np.random.default_rng


@pytest.mark.parametrize("judge", ["gpt4_label", "strmatch_label"])
@pytest.mark.parametrize("part", ["safe", "unsafe"])
@pytest.mark.parametrize("model", ["llama2orig", "llama2new"])
def test_against_ppi_py_on_xstest(recorded, model, part, judge):
    folder = recorded / "xstest"
    expected = json.loads((folder / "expected_ppi.json").read_text())["models"][model][part][judge]
    rows = [json.loads(line) for line in (folder / f"{model}.jsonl").read_text(encoding="utf-8").split("\n") if line]
    mine = [row for row in rows if row["type"].startswith("contrast_") == (part == "unsafe")]
    people = np.array([row["final_label"] != "1_full_compliance" for row in mine], dtype=float)
    judged = np.array([not str(row[judge]).startswith("1") for row in mine], dtype=float)
    for weight, name in ((1.0, "ppi_lam1"), (None, "ppi_tuned")):
        got = ppi_mean(people[0::2], judged[0::2], judged[1::2], weight=weight)
        assert got.value == pytest.approx(expected[name]["point"], abs=1e-9)
        # Theirs is a normal interval whatever n is; of labels that never vary it has no width.
        normal = [got.value - 1.959963985 * got.se, got.value + 1.959963985 * got.se]
        assert normal == pytest.approx(expected[name]["ci95"], abs=1e-6)
        assert got.low < normal[0] and got.high > normal[1], "t below 200 labels is wider"


def test_labels_that_never_vary_have_an_interval_all_the_same():
    got = ppi_mean(np.ones(120), np.ones(120), np.ones(500))
    assert got.value == 1.0 and 0.96 < got.low < 0.98 and "all labels are the same" in got.cautions[0]


@pytest.mark.parametrize("n", [0, 1, 99])
def test_fewer_than_a_hundred_labels_correct_nothing(n):
    for got in (
        ppi_mean(np.ones(n), np.ones(n), np.ones(500)),
        ppi_mean_drawn(np.ones(500), np.arange(n), np.ones(n), np.full(n, 0.5)),
    ):
        assert got.low is None and f"{n} labels" in got.cautions[0]


def test_drawn_with_equal_probabilities_it_is_close_to_the_plain_one():
    rng = RNG(0)
    people = rng.choice([0.0, 0.5, 1.0], 1000)
    judged = np.clip(people + rng.choice([0, 0, 0.5], 1000), 0, 1)
    drawn = rng.permutation(1000)[:250]
    rest = np.setdiff1d(np.arange(1000), drawn)
    plain = ppi_mean(people[drawn], judged[drawn], judged[rest])
    got = ppi_mean_drawn(judged, drawn, people[drawn], np.full(250, 0.25))
    assert got.value == pytest.approx(plain.value, abs=0.01) and got.se == pytest.approx(plain.se, rel=0.1)


def test_all_labelled_is_the_mean_of_the_labels():
    people = RNG(1).choice([0.0, 0.5, 1.0], 300)
    got = ppi_mean_drawn(RNG(2).random(300), np.arange(300), people, np.ones(300))
    assert got.value == pytest.approx(people.mean()) and got.se == pytest.approx(people.std() / np.sqrt(300))


def test_probabilities_that_are_none_are_refused():
    with pytest.raises(ValueError, match="unknown ones"):
        ppi_mean_drawn(np.ones(200), np.arange(100), np.ones(100), np.zeros(100))


def test_shares_favour_doubt_and_leave_nobody_out():
    shares = drawing_shares([0.0, 0.5, 1.0])
    assert shares.sum() == pytest.approx(1) and shares[0] == pytest.approx(shares[2])
    assert shares[1] > shares[0] > 0.2 / 3


def test_inclusion_probabilities_sum_to_the_draw_and_stay_at_most_one():
    shares = np.array([0.7, 0.1, 0.1, 0.1])
    assert inclusion_probabilities(shares, 2) == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3])
    assert inclusion_probabilities(shares, 4) == pytest.approx([1] * 4)
    with pytest.raises(ValueError, match="between 1 and the 4"):
        inclusion_probabilities(shares, 5)


def test_items_are_drawn_as_often_as_their_probabilities_say():
    shares = drawing_shares(RNG(3).choice([0.0, 0.5, 1.0], 60))
    expected = inclusion_probabilities(shares, 20)
    rng, drawn = RNG(4), np.zeros(60)
    for _ in range(4000):
        drawn[drawing_order(shares, rng)[:20]] += 1
    assert drawn / 4000 == pytest.approx(expected, abs=0.04)


def test_the_corrected_interval_covers_where_the_judges_own_does_not():
    """A judge that is half a point too kind in every third case: 600 runs of 800 prompts, 150 of them labelled."""
    rng, truth = RNG(5), 0.525
    held = {"label-next": 0, "uniform": 0, "judge": 0}
    for _ in range(600):
        people = rng.choice([0.0, 0.5, 1.0], 800, p=[0.4, 0.15, 0.45])
        judged = np.where(rng.random(800) < 1 / 3, np.minimum(1, people + 0.5), people)
        shares = drawing_shares(judged)
        drawn, pi = drawing_order(shares, rng)[:150], inclusion_probabilities(shares, 150)
        even = rng.permutation(800)[:150]
        for name, got in (
            ("label-next", ppi_mean_drawn(judged, drawn, people[drawn], pi[drawn])),
            ("uniform", ppi_mean_drawn(judged, even, people[even], np.full(150, 150 / 800))),
            ("judge", win_rate(judged)),
        ):
            held[name] += got.low <= truth <= got.high
    assert held["judge"] < 60
    # 95 % of 600 is 570, and three standard errors are 16.
    assert 552 <= held["label-next"] <= 588 and 552 <= held["uniform"] <= 588


def test_hand_worked():
    """Half of 200 drawn evenly; 10 of the judge's 100 labelled scores are half a point too high, spread evenly over them."""
    people = np.tile([0.0, 1.0], 50)
    judged = people.copy()
    judged[:20:2] = 0.5  # 10 of the 50 that people say 0 of
    every = np.concatenate([judged, judged])
    got = ppi_mean_drawn(every, np.arange(100), people, np.full(100, 0.5))
    # y: mean .5, variance .25. f: mean .55, E[f^2] = .525, variance .2225, covariance with y: .5 - .5 * .55 = .225.
    weight = 0.225 / 0.2225
    left_over = 0.25 - weight * 0.225
    draw = 100 / 98 * left_over / 100 * 0.5 + 2 * (0.5 / 0.25) / 200**2
    assert got.value == pytest.approx(0.5)
    assert got.se == pytest.approx(np.sqrt(draw + 0.25 / 200))


def test_a_judge_that_was_right_on_every_label_is_not_taken_for_one_that_is_always_right():
    people = np.tile([0.0, 1.0], 5000)
    drawn = RNG(0).permutation(10_000)[:100]
    got = ppi_mean_drawn(people, drawn, people[drawn], np.full(100, 0.01))
    by_items = 1.96 * 0.5 / 100
    assert got.value == pytest.approx(0.5, abs=0.01)
    assert got.high - got.value > 2 * by_items, "an error in every fiftieth item may well not show in a hundred"


@pytest.mark.parametrize(("decided", "few"), [(19, True), (20, False)])
def test_labels_that_are_nearly_all_ties_support_no_pass(decided, few):
    people = np.full(500, 0.5)
    people[:decided] = 1.0
    got = ppi_mean_drawn(people, np.arange(150), people[:150], np.full(150, 0.3))
    assert rests_on_too_few(got) is few


def test_labels_that_are_all_the_same_have_a_width_and_a_caution():
    got = ppi_mean_drawn(np.ones(1000), np.arange(120), np.ones(120), np.full(120, 0.12))
    assert got.value == 1.0 and 0.95 < got.low < 0.975
    assert "all labels are the same" in got.cautions[0]


@pytest.mark.parametrize("labels", [100, 200])
def test_a_rare_error_of_the_judges_among_many_prompts_is_covered(labels):
    """The judge takes tuned for the winner in every fiftieth of 10,000 prompts: the labels hold few such cases or none."""
    rng, truth, held, judges = RNG(6), 0.525, 0, 0
    for _ in range(400):
        people = rng.choice([0.0, 0.5, 1.0], 10_000, p=[0.4, 0.15, 0.45])
        judged = np.where(rng.random(10_000) < 0.02, 1.0, people)
        shares = drawing_shares(judged)
        drawn, pi = drawing_order(shares, rng)[:labels], inclusion_probabilities(shares, labels)
        got = ppi_mean_drawn(judged, drawn, people[drawn], pi[drawn])
        held += got.low <= truth <= got.high
        own = win_rate(judged)
        judges += own.low <= truth <= own.high
    assert held >= 367 and judges < 360  # 380 less three standard errors


def test_turns_of_one_question_are_not_two_questions():
    """400 questions whose two turns people judge alike, 400 of 800 labelled: half as many questions as prompts."""
    rng, truth, held, naive = RNG(7), 0.525, 0, 0
    groups = np.repeat(np.arange(400), 2)
    for _ in range(400):
        people = np.repeat(rng.choice([0.0, 0.5, 1.0], 400, p=[0.4, 0.15, 0.45]), 2)
        judged = np.where(rng.random(800) < 0.2, np.minimum(1, people + 0.5), people)
        drawn = rng.permutation(800)[:400]
        for robust in (True, False):
            got = ppi_mean_drawn(judged, drawn, people[drawn], np.full(400, 0.5), groups if robust else None)
            inside = got.low <= truth <= got.high
            held, naive = held + (robust and inside), naive + (not robust and inside)
    assert held >= 367 and naive < 360


def test_items_on_their_own_are_no_clusters():
    rng = RNG(8)
    judged, people = rng.random(300), rng.choice([0.0, 1.0], 300)
    drawn = rng.permutation(300)[:150]
    alone = ppi_mean_drawn(judged, drawn, people[drawn], np.full(150, 0.5))
    assert ppi_mean_drawn(judged, drawn, people[drawn], np.full(150, 0.5), [None] * 300) == alone
    few = ppi_mean_drawn(judged, drawn, people[drawn], np.full(150, 0.5), np.arange(300) % 4)
    assert few.low is None and "4 cluster(s)" in few.cautions[0]
