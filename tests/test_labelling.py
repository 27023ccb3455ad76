"""From a stored run to a CSV for people, and back to a corrected win rate, through the command line."""

import csv
import json

import pytest
from typer.testing import CliRunner

from evalkit import api
from evalkit.cli import app
from evalkit.types import InputError
from tests.test_schedule import by_request, judge, run, suite

__all__ = ["suite"]


def invoke(*arguments):
    return CliRunner().invoke(app, ["judge", *map(str, arguments)])


@pytest.fixture
def stored(fake, suite, tmp_path):
    """300 prompts; the judge always prefers tuned."""

    def prefer_tuned(request):
        text = request.messages[-1].content
        return "first" if text.index("tuned 42") < text.index("base 42") else "second"

    fake.answer = by_request(prefer_tuned)
    run(suite(n=300), judge=judge(), out=tmp_path / "run")
    return tmp_path / "run"


def fill(path, share):
    """A person who prefers tuned in `share` of ten, base otherwise, and tells them apart by what they wrote."""
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    for number, row in enumerate(rows):
        tuned = "first" if row["first"] == "tuned 42" else "second"
        other = "second" if tuned == "first" else "first"
        row["label"] = tuned if number % 10 < share else other
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return rows


def test_people_correct_a_judge_that_flatters(stored, tmp_path):
    assert invoke("label-next", 120, stored, "--out", tmp_path / "a.csv").exit_code == 0
    rows = fill(tmp_path / "a.csv", 6)
    assert len(rows) == 120 and all(float(row["probability"]) == pytest.approx(0.4) for row in rows)
    assert 30 < sum(row["first"] == "tuned 42" for row in rows) < 90, "either model stands first"
    done = invoke("correct", stored, "--labels", tmp_path / "a.csv", "--json")
    assert done.exit_code == 0, done.output
    (told,) = json.loads(done.stdout)
    assert told["win_rate"] == 1.0 and told["corrected"]["labels"] == 120
    assert told["corrected"]["value"] == pytest.approx(0.6)
    assert told["corrected"]["low"] < 0.6 < told["corrected"]["high"] < 0.75
    # The labels stay with the run: deciding it again keeps them.
    (again,) = api.load(stored).comparison.judges
    assert again.corrected.value == pytest.approx(0.6) and again.labels == 120
    assert "corrected with 120 labels" in (stored / "report.html").read_text(encoding="utf-8")


def test_a_second_file_goes_on_where_the_first_ended(stored, tmp_path):
    invoke("label-next", 60, stored, "--out", tmp_path / "a.csv")
    invoke("label-next", 60, stored, "--out", tmp_path / "b.csv", "--labels", tmp_path / "a.csv")
    ids = [row["id"] for name in "ab" for row in fill(tmp_path / f"{name}.csv", 6)]
    assert len(set(ids)) == 120
    done = invoke("correct", stored, "--labels", tmp_path / "a.csv", "--labels", tmp_path / "b.csv")
    assert done.exit_code == 0 and "60.0 %" in done.stdout and "corrected with 120 labels" in done.stdout


def test_labels_without_an_exam_change_no_decision(stored, tmp_path):
    invoke("label-next", 120, stored, "--out", tmp_path / "a.csv")
    fill(tmp_path / "a.csv", 0)
    invoke("correct", stored, "--labels", tmp_path / "a.csv")
    (gate,) = [gate for gate in api.load(stored).decision.gates if gate.kind == "judge"]
    assert not gate.required and gate.verdict == "fail" and "advisory" in gate.reason


def edited(path, **changes):
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    rows[3] |= changes
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"probability": ""}, r"a\.csv:5: probability: is empty; labels that were picked by hand"),
        ({"label": "left"}, r"a\.csv:5: label: 'left': must be first, second or tie"),
        ({"id": "nobody"}, r"a\.csv:5: id 'nobody' was not drawn"),
        ({"seed": "7"}, r"a\.csv:5: was drawn for judge 'j' with seed 7"),
    ],
)
def test_what_was_not_drawn_is_refused(stored, tmp_path, changes, said):
    invoke("label-next", 120, stored, "--out", tmp_path / "a.csv")
    fill(tmp_path / "a.csv", 6)
    edited(tmp_path / "a.csv", **changes)
    with pytest.raises(InputError, match=said):
        api.with_labels(api.load(stored), [tmp_path / "a.csv"])


def test_hand_picked_labels_are_refused(stored, tmp_path):
    (tmp_path / "mine.csv").write_text("suite,task,id,label\ns,s,1,first\n")
    with pytest.raises(InputError, match="picked by hand, without probabilities"):
        api.with_labels(api.load(stored), [tmp_path / "mine.csv"])


def test_an_untouched_file_and_too_many_are_said(stored, tmp_path):
    invoke("label-next", 120, stored, "--out", tmp_path / "a.csv")
    with pytest.raises(InputError, match="nobody has filled in"):
        api.with_labels(api.load(stored), [tmp_path / "a.csv"])
    assert "only 300 judged prompts are left" in str(
        invoke("label-next", 301, stored, "--out", tmp_path / "c").exception
    )
    assert "exists, and may hold labels" in str(invoke("label-next", 5, stored, "--out", tmp_path / "a.csv").exception)
