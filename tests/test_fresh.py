"""Items that no run has asked, and those that a sweep keeps back."""

import json

import pytest

from evalkit import api
from evalkit.config import ModelSpec, SuiteSpec
from evalkit.fresh import asked_in, held_back, left_out
from evalkit.tasks import Suite, Task
from evalkit.types import Example, InputError, RunError
from evalkit.yamlfile import validate
from tests.asking import FAKE_BASE, FAKE_TUNED, suite

__all__ = ["suite"]


def suite_of(*tasks):
    """tasks: (name, groups by item)."""
    made = [
        Task("s", name, "generate", tuple(Example(str(i), (), "x", (), group) for i, group in enumerate(groups)), "h")
        for name, groups in tasks
    ]
    spec = validate(SuiteSpec, {"name": "s", "tasks": [{"data": "x.jsonl", "prompt": "x", "answer": "x"}]})
    return Suite(spec, tuple(made))


def held(tasks, share=0.25, seed=0):
    places, cautions = held_back([suite_of(*tasks)], share, seed=seed)
    return places, cautions


def test_a_quarter_of_every_task_is_kept_back_by_seed():
    tasks = [("a", [None] * 100), ("b", [None] * 40)]
    places, cautions = held(tasks)
    assert [sum(task == name for _, task, _ in places) for name in "ab"] == [25, 10] and cautions == ()
    assert places == held(tasks)[0] != held(tasks, seed=1)[0]


def test_nothing_is_kept_back_unless_asked_for():
    assert held([("a", [None] * 100)], share=0.0) == (frozenset(), ())


def test_clusters_stay_whole_across_the_tasks_of_a_suite():
    groups = [f"passage {i // 5}" for i in range(100)]
    places, _ = held([("a", groups), ("b", groups[::-1])])
    side = {}
    for name, labels in (("a", groups), ("b", groups[::-1])):
        for i, label in enumerate(labels):
            side.setdefault(label, set()).add(("s", name, str(i)) in places)
    assert all(len(one) == 1 for one in side.values())
    assert [sum(task == name for _, task, _ in places) for name in "ab"] == [25, 25]


def test_a_task_of_one_cluster_keeps_something_to_ask_and_says_so():
    places, (caution,) = held([("a", ["one passage"] * 8)])
    assert places == frozenset() and "nothing is held out: 8 items in 1 cluster cannot give 25 %" in caution
    assert len(held([("a", [None] * 4)], share=0.9)[0]) == 3  # never the last one


# --- runs --------------------------------------------------------------------------------------------------------------


def compare(*suites, tuned=FAKE_TUNED, **options):
    return api.run_comparison(FAKE_BASE, tuned, suites=suites, probes=False, **options)


def ids(run):
    return set(run.samples["id"])


def test_what_a_stored_run_asked_is_left_out_and_the_limit_draws_from_the_rest(fake, suite, tmp_path):
    first = compare(suite(n=12), limit=5, out=tmp_path / "first")
    rest = compare(suite(n=12), fresh_from=[tmp_path / "first"])
    some = compare(suite(n=12), fresh_from=[tmp_path / "first"], limit=3)
    assert ids(rest) == {str(i) for i in range(12)} - ids(first) and len(ids(first)) == 5
    assert len(ids(some)) == 3 and ids(some) < ids(rest)
    kept = some.manifest.fresh_from
    assert (kept.left_out, kept.left, kept.runs) == (5, 7, (first.manifest.run_id,))
    assert kept.folders == (str(tmp_path / "first"),) and first.manifest.fresh_from is None


def test_the_manifest_keeps_it_and_the_page_says_it(fake, suite, tmp_path):
    compare(suite(n=6), limit=2, out=tmp_path / "first")
    compare(suite(n=6), fresh_from=[tmp_path / "first"], out=tmp_path / "second")
    read = api.load(tmp_path / "second")
    assert read.manifest.fresh_from.left_out == 2
    assert "2 items left out that were asked in" in (tmp_path / "second" / "report.html").read_text()


def test_a_folder_of_runs_counts_as_all_of_them(fake, suite, tmp_path):
    compare(suite(n=6), limit=2, seed=1, out=tmp_path / "all" / "a")
    compare(suite(n=6), limit=2, seed=2, out=tmp_path / "all" / "b")
    asked = asked_in([tmp_path / "all"])
    assert len(asked.runs) == 2 and {place[:2] for place in asked.places} == {("s", "s")}


def test_items_of_another_suite_of_the_same_ids_are_fresh(fake, suite, tmp_path):
    compare(suite(n=6), out=tmp_path / "first")
    assert len(ids(compare(suite(n=6, name="other"), fresh_from=[tmp_path / "first"]))) == 6


def test_with_nothing_left_the_run_stops_before_an_engine_starts(fake, suite, tmp_path):
    compare(suite(n=6), out=tmp_path / "first")
    fake.started.clear()
    with pytest.raises(InputError, match=r"--fresh-from: .*first: suite 's': all of its 6 items .* --hold-out 0.25"):
        compare(suite(n=6), suite(n=6, name="other"), fresh_from=[tmp_path / "first"])
    assert fake.started == []


def test_relatives_of_asked_items_are_pointed_out(fake, suite, tmp_path):
    rows = [{"id": str(i), "q": f"q{i}", "a": "42", "g": "p" if i < 4 else f"p{i}"} for i in range(6)]
    asked = suite(n=6, group="{{ g }}")
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    compare(asked, limit=3, out=tmp_path / "first")
    known = asked_in([tmp_path / "first"])
    run = compare(asked, fresh_from=[tmp_path / "first"])
    relatives = sum(row["g"] == "p" and ("s", "s", row["id"]) not in known.places for row in rows)
    told = [one for one in run.comparison.cautions if "not quite fresh" in one]
    assert bool(told) == bool(relatives and ("s", "p") in known.clusters)
    assert not told or told[0].startswith(f"s: {relatives} of the 3 fresh items")


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(RunError, match="nowhere: no such folder"):
        asked_in([tmp_path / "nowhere"])
    with pytest.raises(RunError, match="holds no finished run"):
        asked_in([tmp_path])


def test_a_task_with_its_own_limit_has_fresh_items_beyond_it(fake, suite, tmp_path):
    first = compare(suite(n=10, limit=4), out=tmp_path / "first")
    second = compare(suite(n=10, limit=4), fresh_from=[tmp_path / "first"])
    assert len(ids(second)) == 4 and not ids(first) & ids(second)


def test_what_is_held_out_is_what_the_confirmation_asks(fake, suite, tmp_path):
    swept = compare(suite(n=20), hold_out=0.25, out=tmp_path / "first")
    again = compare(suite(n=20), fresh_from=[tmp_path / "first"], tuned=ModelSpec(name="t", backend="fake", model="w2"))
    assert (len(ids(swept)), len(ids(again))) == (15, 5) and swept.manifest.hold_out == 0.25
    assert left_out([], asked_in([tmp_path / "first"]))[1].left_out == 0
