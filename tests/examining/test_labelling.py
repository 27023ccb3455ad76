"""From a stored run to a CSV for people, and back to a corrected win rate, through the command line."""

import csv
import json

import pytest
from typer.testing import CliRunner

from evalkit import api
from evalkit.cli import app
from evalkit.examining import labelling
from evalkit.types import InputError
from tests.asking import by_request, judge, run, suite

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
    (judge,) = api.load(stored).manifest.judges
    assert {round(label.probability, 6) for label in judge.labels} == {0.4}, "120 of 300, whichever file they are in"
    assert done.exit_code == 0 and "60.0 %" in done.stdout and "corrected with 120 labels" in done.stdout


def test_labels_without_an_exam_change_no_decision(stored, tmp_path):
    invoke("label-next", 120, stored, "--out", tmp_path / "a.csv")
    fill(tmp_path / "a.csv", 0)
    invoke("correct", stored, "--labels", tmp_path / "a.csv")
    (gate,) = [gate for gate in api.load(stored).decision.gates if gate.kind == "judge"]
    assert not gate.required and gate.verdict == "fail" and "advisory" in gate.reason


def emptied(path, keep):
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    for number, row in enumerate(rows):
        row["label"] = row["label"] if keep(number) else ""
    written(path, rows)


def written(path, rows, **how):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], **how)
        writer.writeheader()
        writer.writerows(rows)


def probabilities_and_cautions(stored, path):
    got = api.with_labels(api.load(stored), [path])
    found = {round(label.probability, 6) for label in got.manifest.judges[0].labels}
    return found, [one for one in got.manifest.cautions if one.startswith("labels for")]


def test_who_stops_early_has_made_a_shorter_draw(stored, tmp_path):
    invoke("label-next", 240, stored, "--out", tmp_path / "a.csv")
    fill(tmp_path / "a.csv", 6)
    emptied(tmp_path / "a.csv", lambda number: number < 120)
    assert probabilities_and_cautions(stored, tmp_path / "a.csv") == ({0.4}, [])


def test_pairs_passed_over_count_as_chance_and_a_caution_says_so(stored, tmp_path):
    invoke("label-next", 240, stored, "--out", tmp_path / "a.csv")
    fill(tmp_path / "a.csv", 6)
    emptied(tmp_path / "a.csv", lambda number: number % 2 or number == 0)
    found, (caution,) = probabilities_and_cautions(stored, tmp_path / "a.csv")
    assert found == {round(0.8 * 121 / 240, 6)}
    assert "119 of 240 pairs were passed over" in caution
    # Labels that are complete take that caution away again.
    assert invoke("correct", stored, "--labels", tmp_path / "a.csv").exit_code == 0
    fill(tmp_path / "a.csv", 6)
    assert probabilities_and_cautions(stored, tmp_path / "a.csv") == ({0.8}, [])


def test_too_few_labels_say_so_in_json_that_any_reader_takes(stored, tmp_path):
    invoke("label-next", 99, stored, "--out", tmp_path / "a.csv")
    fill(tmp_path / "a.csv", 6)
    done = invoke("correct", stored, "--labels", tmp_path / "a.csv", "--json")
    assert "NaN" not in done.stdout
    corrected = json.loads(done.stdout)[0]["corrected"]
    assert corrected["value"] is None and corrected["low"] is None and "99 labels" in corrected["cautions"][0]


def test_a_spreadsheet_may_have_saved_the_file(stored, tmp_path):
    """With semicolons, a byte order mark, and rows in another order."""
    invoke("label-next", 120, stored, "--out", tmp_path / "a.csv")
    rows = fill(tmp_path / "a.csv", 6)
    written(tmp_path / "a.csv", sorted(rows, key=lambda row: row["id"]), delimiter=";")
    text = (tmp_path / "a.csv").read_text(encoding="utf-8")
    (tmp_path / "a.csv").write_text("\ufeff" + text, encoding="utf-8")
    assert len(api.with_labels(api.load(stored), [tmp_path / "a.csv"]).manifest.judges[0].labels) == 120
    (tmp_path / "a.csv").write_bytes((text + "é").encode("cp1252"))
    with pytest.raises(InputError, match=r"a\.csv: is not UTF-8"):
        api.with_labels(api.load(stored), [tmp_path / "a.csv"])


def test_texts_of_any_kind_survive_the_csv_and_run_nothing(fake, suite, tmp_path):
    def answer(request):
        if request.model == "base":
            return '=HYPERLINK("http://x")\r\n, "quoted"'
        return "x\ry; " * 40_000 if request.model == "tuned" else "first"

    fake.answer = answer
    run(suite(n=120), judge=judge(), out=tmp_path / "run")
    assert invoke("label-next", 120, tmp_path / "run", "--out", tmp_path / "a.csv").exit_code == 0
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    cells = {cell[:11] for row in rows for cell in (row["first"], row["second"])}
    assert len(rows) == 120 and cells == {"'=HYPERLINK", "x\ry; x\ry; x"[:11]}
    for row in rows:
        row["label"] = "tie"
    written(tmp_path / "a.csv", rows)
    labels = api.with_labels(api.load(tmp_path / "run"), [tmp_path / "a.csv"]).manifest.judges[0].labels
    assert len(labels) == 120 and {label.value for label in labels} == {0.5}


def test_a_run_without_texts_has_nothing_to_show_to_people(stored, tmp_path):
    read = api.load(stored)
    drawn = labelling.draw(read.manifest, read.verdicts, None, seed=0)
    blank = read.samples.assign(text=None)
    with pytest.raises(InputError, match="does not hold both answers' texts"):
        labelling.to_label(drawn, blank, 5, [], "base")


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
