"""The stored pairs, and what becomes of a judge behind an API between runs."""

import hashlib
import json
from collections import Counter

import pytest

from evalkit.config import JudgeSpec
from evalkit.examining.anchors import check_anchors, first_anchors, read_anchors
from evalkit.judging import compare_readings, drift_caution
from evalkit.stored.cache import Journal
from evalkit.types import Anchors, Silent
from tests.backends.openai_local_api import Api, api_error, serving
from tests.judge_server import judge_file, judging, knowing, question

OTHER = {"first": "second", "second": "first"}


def test_there_are_thirty_clear_and_twenty_close_pairs_of_ten_subjects_each_with_an_id():
    anchors = read_anchors()
    assert Counter(one.gap for one in anchors) == {"clear": 30, "close": 20}
    assert len({one.id for one in anchors}) == len({one.prompt for one in anchors}) == 50
    assert len({one.subject for one in anchors}) == 10


@pytest.mark.parametrize("gap", ["clear", "close"])
def test_the_better_answer_is_the_longer_one_about_as_often_as_not(gap):
    longer = [len(one.better) > len(one.worse) for one in read_anchors() if one.gap == gap]
    assert 0.4 <= sum(longer) / len(longer) <= 0.6


def test_no_answer_is_empty_stands_in_the_other_or_repeats_its_prompt():
    for one in read_anchors():
        assert one.better.strip() and one.worse.strip()
        assert one.better not in one.worse and one.worse not in one.better, one.id
        assert one.prompt not in one.better + one.worse


def test_better_plays_tuned_about_as_often_as_base():
    tuned = sum(one.pair().tuned.text == one.better for one in read_anchors())
    assert 15 <= tuned <= 35


def test_a_few_pairs_are_of_both_gaps_and_several_subjects():
    few = first_anchors(10)
    assert {one.gap for one in few} == {"clear", "close"} and len({one.subject for one in few}) >= 5
    assert few == first_anchors(20)[:10]


class Run:
    """`check_anchors` as each run calls it, with one cache folder between them."""

    def __init__(self, folder, api, **fields):
        self.folder, self.api = folder, api
        self.judge = JudgeSpec.model_validate({**json.loads(judge_file(api.url)), **fields})

    def __call__(self, today="2026-01-01"):
        with Journal(self.folder / "journal.sqlite") as journal:
            return check_anchors(self.judge, journal, self.folder, Silent(), today=today)

    def asked(self):
        count, self.api.calls = len(self.api.calls), []
        return count


def a_third(asked):
    return hashlib.sha256(asked.encode()).digest()[0] % 3 == 0


def test_a_judge_that_changes_its_mind_after_the_first_run_has_drifted(tmp_path):
    later = False

    def mind(asked, attempt):
        return OTHER[knowing(asked)] if later and a_third(asked) else knowing(asked)

    with serving(judging(mind)) as api:
        run = Run(tmp_path, api)
        before, phases = run("2026-01-01")
        assert before == Anchors(50, 0, 0, 50, False, "2026-01-01") and drift_caution(before) is None
        assert run.asked() == 200  # both orders, twice
        assert sum(phase.completion_tokens for phase in phases) == 200 * 3
        later = True
        after, _ = run("2026-02-02")
        assert run.asked() == 100
    assert after.drifted and after.changed > 15 and after.since == "2026-01-01"
    assert f"2026-01-01: reads {after.changed} of 50 stored pairs otherwise (0 of 50" in drift_caution(after)


def test_a_judge_that_does_not_is_the_same_in_every_run_and_is_asked_anew_each_time(tmp_path):
    with serving(judging(lambda asked, attempt: knowing(asked))) as api:
        run = Run(tmp_path, api, anchors=20)
        for asked in (80, 40, 40):
            anchors, _ = run()
            assert (anchors.n, anchors.changed, anchors.drifted) == (20, 0, False)
            assert run.asked() == asked


def test_a_judge_that_always_wavered_has_not_drifted(tmp_path):
    def mind(asked, attempt):
        wavers = hashlib.sha256(f"{asked} {attempt}".encode()).digest()[0] % 5 == 0
        return OTHER[knowing(asked)] if wavers else knowing(asked)

    with serving(judging(mind)) as api:
        run = Run(tmp_path, api)
        run()
        for _ in range(2):
            anchors, _ = run()
            assert anchors.noise > 5 and anchors.changed > 5 and not anchors.drifted


def test_another_revision_is_another_judge_with_a_first_reading_of_its_own(tmp_path):
    with serving(judging(lambda asked, attempt: knowing(asked))) as api:
        run = Run(tmp_path, api, anchors=4)
        run()
        model = run.judge.model.model_copy(update={"revision": "2026-06"})
        run.judge = run.judge.model_copy(update={"model": model})
        assert run("2026-06-01")[0].since == "2026-06-01"
    assert len(list((tmp_path / "anchors").glob("*.json"))) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", '{"since": "2026-01-01", "first": 3}'])
def test_a_file_that_cannot_be_read_is_written_anew(tmp_path, content):
    with serving(judging(lambda asked, attempt: knowing(asked))) as api:
        run = Run(tmp_path, api, anchors=4)
        run()
        (kept,) = (tmp_path / "anchors").iterdir()
        kept.write_text(content)
        assert run("2026-03-03")[0].since == "2026-03-03"


def test_replies_that_are_no_verdict_are_pairs_that_were_not_read(tmp_path):
    silent = False

    def mind(asked, attempt):
        pressed = "could not be read" in asked  # asked once more for the verdict alone
        return "I would rather not say" if silent and (pressed or a_third(asked)) else knowing(asked)

    with serving(judging(mind)) as api:
        run = Run(tmp_path, api)
        run()
        silent = True
        anchors, _ = run()
    assert 0 < anchors.n < 50 and anchors.changed == 0


def test_a_dead_api_says_nothing_of_drift_and_leaves_no_first_reading(tmp_path):
    with serving(Api(lambda body, attempt: (401, {}, api_error("bad key")))) as api:
        anchors, _ = Run(tmp_path, api)()
    assert anchors is None and not (tmp_path / "anchors").exists()


def test_a_local_judge_and_one_that_wants_no_anchors_are_not_asked(tmp_path, fake):
    with serving(judging(lambda asked, attempt: "first")) as api:
        assert Run(tmp_path, api, anchors=0)() == (None, [])
        assert Run(tmp_path, api, model={"backend": "fake", "model": "m"})() == (None, [])
        assert not api.calls


def test_a_pair_has_changed_when_either_order_came_out_otherwise():
    was = {"a": {"base_first": "base", "tuned_first": "base"}, "b": {"base_first": "tie", "tuned_first": "tie"}}
    now = {**was, "a": {"base_first": "base", "tuned_first": "tuned"}, "c": {"base_first": "tie", "tuned_first": "tie"}}
    assert compare_readings(was, was, now, since="then") == Anchors(2, 1, 0, 2, False, "then")


def test_the_server_of_these_tests_sees_what_a_judge_is_asked(tmp_path):
    with serving(judging(lambda asked, attempt: "first")) as api:
        Run(tmp_path, api, anchors=1)()
        assert first_anchors(1)[0].better in question(api.bodies[0])
