"""More than two candidates on one scale, from runs and from battles."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from evalkit import api
from evalkit.cli import app
from evalkit.config import ModelSpec
from evalkit.ranking import battles_of_file, rank
from evalkit.statistics.bradley_terry import Battle, bradley_terry
from evalkit.types import InputError
from tests.test_schedule import FAKE_BASE, judge, suite

pytest.importorskip("evalica")
__all__ = ["suite"]
RNG = np.random.default_rng


def test_hand_worked():
    # b beats a in 3 of 4: odds 3, 400 log10(3) = 190.8 points.
    battles = [Battle(str(i), "a", "b", float(i % 4 != 0)) for i in range(40)]
    b, a = bradley_terry(battles, "a", rng=RNG(0), rounds=200)
    assert (b.model, a.model) == ("b", "a") and a.rating.value == 1000
    assert b.rating.value == pytest.approx(1190.8, abs=1) and b.win_rate.value == pytest.approx(0.75, abs=0.002)
    assert b.rating.low < 1190.8 < b.rating.high


def test_against_the_stored_ratings_of_arena_hard(recorded):
    folder = recorded / "arena_hard_battles"
    expected = json.loads((folder / "expected.json").read_text())
    got = rank(battles_of_file(folder / "battles.jsonl"), expected["baseline"])
    for one in got:
        assert one.rating.value == pytest.approx(expected["elo_bt"][one.model], abs=1.0)
        assert 100 * one.win_rate.value == pytest.approx(expected["win_rate_pct_vs_baseline"][one.model], abs=0.1)
    assert [one.model for one in got][-1] == expected["baseline"]


def test_a_model_that_only_wins_stays_at_a_finite_place():
    battles = [Battle(str(i), "a", "b", 1.0) for i in range(30)]
    b, _ = bradley_terry(battles, "a", rng=RNG(0), rounds=50)
    assert np.isfinite(b.rating.value) and b.rating.value > 1500


def test_a_prompts_battles_stay_together():
    """The same battle entered four times is no more evidence than once: intervals of prompts do not shrink."""
    rng = RNG(1)
    once = [Battle(str(i), "a", "b", float(rng.random() < 0.6)) for i in range(100)]
    single = bradley_terry(once, "a", rng=RNG(2))[0].rating
    fourfold = bradley_terry([one for one in once for _ in range(4)], "a", rng=RNG(2))[0].rating
    assert fourfold.se == pytest.approx(single.se, rel=0.05)


def test_few_prompts_have_no_interval():
    strongest, _ = bradley_terry([Battle(str(i), "a", "b", i % 2) for i in range(6)], "a", rng=RNG(0), rounds=20)
    assert {one.rating.low for one in (strongest,) if one.model != "a"} <= {None}


def test_models_that_never_met_are_named():
    with pytest.raises(InputError, match="a, b; c, d"):
        bradley_terry([Battle("1", "a", "b", 1), Battle("1", "c", "d", 1)], "a", rng=RNG(0))


def invoke(*arguments):
    return CliRunner().invoke(app, ["rank", *map(str, arguments)])


def test_runs_that_share_a_base_and_a_judge_are_ranked(fake, suite, tmp_path):
    """The judge prefers better-model over base in 5 of 6 prompts, and worse-model in 2 of 6."""
    wins = {"better": 25, "worse": 10}

    def answer(request):
        if request.model != "j":
            return f"{request.model} answer"
        text = request.messages[-1].content
        tuned_first = text.index("tuned answer") < text.index("base answer")
        prefers = int(request.example_id) < wins[current]
        return "first" if tuned_first == prefers else "second"

    fake.answer = answer
    for current in wins:
        tuned = ModelSpec(name=current, backend="fake", model=current)
        api.run_comparison(
            FAKE_BASE,
            tuned,
            suites=[suite(n=30, prompt=f"{current} {{{{ q }}}}")],
            judge=judge(),
            out=tmp_path / current,
        )
    done = invoke(tmp_path / "better", tmp_path / "worse")
    assert done.exit_code == 0, done.output
    lines = [line.split()[0] for line in done.stdout.splitlines()[1:] if line.strip()]
    assert lines == ["better", "base-model", "worse"]
    told = json.loads(invoke(tmp_path / "better", tmp_path / "worse", "--json").stdout)
    assert told[0]["win_rate"]["value"] == pytest.approx(25 / 30, abs=0.005)
    assert "did you mean 'better'" in str(invoke(tmp_path / "better", "--baseline", "beter").exception)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question_id": 1, "model_a": "a", "model_b": "b", "winner": "a"}, r":1: winner: 'a': must be model_a"),
        ({"question_id": 1, "model_a": "a", "winner": "tie"}, r":1: no field 'model_b'"),
    ],
)
def test_mistakes_in_battles_are_named(tmp_path, row, said):
    (tmp_path / "b.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError, match=said):
        battles_of_file(tmp_path / "b.jsonl")


def test_nothing_to_rank_and_both_sources_are_usage_errors():
    assert "give the folders" in str(invoke().exception)
