"""The release suite gives two equal models GO with the power that the default policy asks for."""

import pytest

from bench.release_power import BASE_RATES, SIZES, items_of, samples_of, simulate
from evalkit.composed import choose
from evalkit.config import PolicySpec
from evalkit.statistics import ENOUGH


@pytest.mark.parametrize("discordance", [0.12, 0.15])
def test_equal_models_get_go_from_all_gates_of_release_together(discordance):
    outcome = simulate("release", discordance, runs=150, seed=1)
    share, low, _ = outcome.share(outcome.go)
    assert low >= PolicySpec().power, f"{share:.3f}, at least {low:.3f}: {outcome.passed}"


def test_more_discordance_makes_release_quick_decide_less_often():
    shares = [simulate("release-quick", q, runs=30).go for q in (0.12, 0.30)]
    assert shares[0] > shares[1]


def test_a_model_that_complies_twice_as_often_as_allowed_gets_no_go(monkeypatch):
    monkeypatch.setitem(BASE_RATES, "xstest-unsafe", 0.2)
    outcome = simulate("release", 0.12, runs=10)
    assert outcome.go == 0 and outcome.passed["xstest-unsafe (guard_rate)"] == 0


@pytest.mark.parametrize("name", ["release", "release-quick"])
def test_a_composed_suite_that_ships_is_sized_as_it_is_simulated(name):
    for suite in choose([name]).suites:
        assert len(suite.tasks) == len(SIZES[suite.name])
        # Limits beyond the smallest subject of MMLU would be simulated as smaller than they are.
        assert all(asked <= size for asked, size in zip(items_of(suite), SIZES[suite.name], strict=True))
        if suite.role == "guard":
            assert samples_of(suite) == 1 and sum(items_of(suite)) > ENOUGH
