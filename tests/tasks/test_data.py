import json
import os
import subprocess
import sys

import pandas as pd
import pytest

from evalkit.config import HubSpec
from evalkit.tasks.data import read_rows
from evalkit.types import InputError


def rows(path, folder):
    return [row.values for row in read_rows(path, folder, asked_by="s.yaml: tasks[0].data")]


def test_jsonl_json_csv_and_parquet_give_the_same_rows(tmp_path):
    want = [{"q": "a, b", "n": "1"}, {"q": 'say "hi"\nyou', "n": "2"}]
    (tmp_path / "d.jsonl").write_text("\n".join(json.dumps(row) for row in want) + "\n\n")
    (tmp_path / "d.json").write_text(json.dumps(want, indent=1))
    pd.DataFrame(want).to_csv(tmp_path / "d.csv", index=False)
    pd.DataFrame(want).to_parquet(tmp_path / "d.parquet")
    assert [rows(f"d.{ending}", tmp_path) for ending in ("jsonl", "json", "csv", "parquet")] == [want] * 4


def test_a_line_separator_inside_a_string_does_not_split_the_row(tmp_path):
    (tmp_path / "d.jsonl").write_text(json.dumps({"q": "a\u2028b"}, ensure_ascii=False) + "\n", encoding="utf-8")
    assert rows("d.jsonl", tmp_path) == [{"q": "a\u2028b"}]


def test_an_unreadable_row_names_file_and_line(tmp_path):
    (tmp_path / "d.jsonl").write_text('{"q": 1}\n{"q": \n')
    with pytest.raises(InputError, match=r"d\.jsonl:2: not a JSON row"):
        rows("d.jsonl", tmp_path)


def test_a_row_that_is_no_object_names_file_and_line(tmp_path):
    (tmp_path / "d.jsonl").write_text('{"q": 1}\n[1]\n')
    with pytest.raises(InputError, match=r"d\.jsonl:2: expected a JSON object"):
        rows("d.jsonl", tmp_path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [('{"q": 1}\n{"q": 2}\n', "not readable JSON: Extra data"), ('{"q": 1}', "a list of JSON objects.* file .jsonl")],
)
def test_lines_in_a_json_file_are_told_from_a_list(tmp_path, text, problem):
    (tmp_path / "d.json").write_text(text)
    with pytest.raises(InputError, match=rf"d\.json: .*{problem}"):
        rows("d.json", tmp_path)


def test_a_short_csv_row_names_its_line(tmp_path):
    (tmp_path / "d.csv").write_text("a,b\n1,2\n3\n")
    with pytest.raises(InputError, match=r"d\.csv:3: row has not the 2 fields"):
        rows("d.csv", tmp_path)


@pytest.mark.parametrize("name", ["d.jsonl", "d.csv"])
def test_no_rows_at_all_is_an_error(tmp_path, name):
    (tmp_path / name).write_text("a,b\n" if name.endswith("csv") else "\n")
    with pytest.raises(InputError, match="holds no rows"):
        rows(name, tmp_path)


def test_a_missing_file_names_its_neighbour(tmp_path):
    (tmp_path / "items.jsonl").write_text("{}")
    with pytest.raises(InputError, match=r"s\.yaml: tasks\[0\]\.data: no such data file .*did you mean 'items.jsonl'"):
        rows("itmes.jsonl", tmp_path)


def test_an_unknown_ending_says_what_can_be_read(tmp_path):
    (tmp_path / "d.txt").write_text("x")
    with pytest.raises(InputError, match=r"cannot read '\.txt'; use \.jsonl, \.json, \.csv or \.parquet"):
        rows("d.txt", tmp_path)


def test_the_mirror_stands_in_for_the_hub(tmp_path, monkeypatch):
    folder = tmp_path / "openai" / "gsm8k" / "main"
    folder.mkdir(parents=True)
    (folder / "test.jsonl").write_text('{"question": "1+1?"}\n')
    monkeypatch.setenv("EVALKIT_DATA", str(tmp_path))
    assert rows(HubSpec(hub="openai/gsm8k", config="main"), ".") == [{"question": "1+1?"}]
    with pytest.raises(InputError, match="EVALKIT_DATA is set, and holds neither .*train"):
        rows(HubSpec(hub="openai/gsm8k", config="main", split="train"), ".")


def test_one_file_of_a_hub_repository_is_read_as_a_local_one(tmp_path, monkeypatch):
    folder = tmp_path / "arena" / "hard" / "data"
    folder.mkdir(parents=True)
    (folder / "question.jsonl").write_text('{"q": "why?"}\n')
    monkeypatch.setenv("EVALKIT_DATA", str(tmp_path))
    assert rows(HubSpec(hub="arena/hard", file="data/question.jsonl"), ".") == [{"q": "why?"}]
    with pytest.raises(InputError, match=r"EVALKIT_DATA is set, and there is no .*arena/hard/data/other\.jsonl"):
        rows(HubSpec(hub="arena/hard", file="data/other.jsonl"), ".")
    with pytest.raises(ValueError, match="`file` names the rows already; remove `config` and `split`"):
        HubSpec(hub="arena/hard", file="data/question.jsonl", split="train")


def test_one_file_comes_from_the_hubs_own_cache_where_there_is_no_mirror(tmp_path):
    pytest.importorskip("datasets", reason="needs evalkit-gate[hub]")
    repository = tmp_path / "hub" / "datasets--arena--hard"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("c0ffee")
    (repository / "snapshots" / "c0ffee").mkdir(parents=True)
    (repository / "snapshots" / "c0ffee" / "d.json").write_text('[{"q": "why?"}]')
    code = (
        "from evalkit.config import HubSpec\n"
        "from evalkit.tasks.data import read_rows\n"
        "from evalkit.types import InputError\n"
        "print([row.values for row in read_rows(HubSpec(hub='arena/hard', file='d.json'), '.', asked_by='s')])\n"
        "try:\n    read_rows(HubSpec(hub='arena/hard', file='other.json'), '.', asked_by='s')\n"
        "except InputError as error:\n    print(error)\n"
    )
    env = {name: value for name, value in os.environ.items() if name != "EVALKIT_DATA"}
    env |= {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    env.pop("HF_HUB_CACHE", None)
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    read, missing = done.stdout.splitlines()
    assert read == "[{'q': 'why?'}]"
    assert "s: cannot load 'arena/hard' (other.json) from the hub" in missing
    assert missing.endswith("set EVALKIT_DATA to a folder that holds arena/hard/other.json")
