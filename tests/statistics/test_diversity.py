from __future__ import annotations

import math

import numpy as np
import pytest

from evalkit.statistics import distinct_difference, distinct_n


def texts(rng, count, *, words=50, vocabulary=200, spread=1.5):
    return [[str(int(word) % vocabulary) for word in rng.zipf(spread, words)] for _ in range(count)]


def spelled_out(corpus, n):
    grams = [tuple(words[i : i + n]) for words in corpus for i in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams)


def test_two_texts_by_hand():
    # ab ba ab | ab: two kinds among four
    assert distinct_n([["a", "b", "a", "b"], ["a", "b"]]) == 0.5
    assert distinct_n([["a"], ["b", "c"]]) == 1.0  # no pair runs from one text into the next


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_against_the_definition_spelled_out(n):
    corpus = texts(np.random.default_rng(n), 30) + [[], ["0"]]
    assert distinct_n(corpus, n) == pytest.approx(spelled_out(corpus, n))


def test_longer_answers_are_not_called_monotonous():
    short = texts(np.random.default_rng(0), 100, words=20)
    long = [words + words for words in short]
    base, tuned, estimate = distinct_difference(short, long)
    assert base == tuned and estimate.value == 0


def test_the_same_opening_in_every_answer_is_found():
    rng = np.random.default_rng(1)
    base = texts(rng, 200, vocabulary=5000, spread=1.2)
    tuned = [["certainly", "here", "is", "what", "you", "asked", "for", *words] for words in base]
    _, _, estimate = distinct_difference(base, tuned)
    assert estimate.high is not None and estimate.high < 0


def test_the_jackknife_against_leaving_each_text_out_by_hand():
    rng = np.random.default_rng(2)
    base, tuned = texts(rng, 40), texts(rng, 40, spread=1.8)

    def difference(keep):
        return spelled_out([tuned[i] for i in keep], 2) - spelled_out([base[i] for i in keep], 2)

    without = np.array([difference([i for i in range(40) if i != out]) for out in range(40)])
    se = math.sqrt(39 / 40 * float(np.sum((without - without.mean()) ** 2)))
    _, _, estimate = distinct_difference(base, tuned)
    assert estimate.value == pytest.approx(difference(range(40)))
    assert estimate.se == pytest.approx(se)


def test_texts_of_one_unit_are_left_out_together():
    rng = np.random.default_rng(3)
    base, tuned = texts(rng, 60), texts(rng, 60, spread=1.8)
    joined = distinct_difference(base, tuned, units=np.repeat(np.arange(30), 2))[2]
    assert joined.n == 30 and joined.value == pytest.approx(distinct_difference(base, tuned)[2].value)


def test_models_that_write_alike_are_rarely_told_apart():
    rng = np.random.default_rng(4)
    found = [distinct_difference(texts(rng, 60), texts(rng, 60))[2] for _ in range(300)]
    assert sum(one.low > 0 or one.high < 0 for one in found) / 300 <= 0.06


def test_texts_too_short_have_no_pairs():
    base, tuned, estimate = distinct_difference([["a"], []], [["b"], ["c"]])
    assert math.isnan(base) and math.isnan(tuned) and estimate.low is None
    assert math.isnan(distinct_n([]))
    assert distinct_difference([], [])[2].low is None


def test_answers_without_a_partner_are_refused():
    with pytest.raises(ValueError, match="both answers of every item"):
        distinct_difference([["a", "b"]], [])
