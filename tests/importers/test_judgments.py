"""MT-bench and Arena-Hard judgments: pairs in both orders, grades, votes, battles."""

import json

import pytest

from evalkit import api
from evalkit.importers import import_arena_hard, import_mt_bench
from evalkit.types import InputError


def rows_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def jsonl(tmp_path, rows, name="judgments.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def judged(imported):
    (result,) = api.import_run(imported).comparison.judges
    return result


def game(question, g1, g2, one="a", two="b", turn=1):
    return {
        "question_id": question, "model_1": one, "model_2": two, "g1_winner": g1, "g2_winner": g2,
        "judge": ["gpt-4", "pair-v2"], "turn": turn, "g1_judgment": "[[A]]", "g2_judgment": "[[B]]",
    }  # fmt: skip


def test_mt_bench_pairs_are_read_in_both_orders(tmp_path):
    rows = [
        game(81, "model_2", "model_2"),  # b wins twice
        game(82, "model_1", "model_2"),  # a when first, b when first: a flip
        game(83, "tie", "tie"),
        game(84, "error", "model_2"),
        game(85, "model_1", "model_1", one="b", two="a"),  # b stands first in game 1, and wins twice
        game(86, "model_1", "model_1", two="c"),
    ]
    result = judged(import_mt_bench([jsonl(tmp_path, rows)], base="a", tuned="b"))
    assert (result.name, result.n, result.unscored, result.wins, result.ties) == ("gpt-4", 4, 1, 2, 2)
    assert result.win_rate.value == 0.75 and result.order_flip_rate == 0.25


def test_two_turns_of_a_question_are_one_observation(tmp_path):
    rows = [game(81, "model_2", "model_2"), game(81, "model_1", "model_1", turn=2), game(82, "tie", "tie")]
    path = jsonl(tmp_path, rows)
    both = judged(import_mt_bench([path], base="a", tuned="b"))
    assert (both.n, both.win_rate.value, both.ties) == (2, 0.5, 2)
    first = judged(import_mt_bench([path], base="a", tuned="b", turn=1))
    assert (first.n, first.win_rate.value) == (2, 0.75)


def test_single_grades_are_compared_question_by_question(tmp_path):
    def grade(question, model, score):
        return {"question_id": question, "model": model, "judge": ["gpt-4", "single-v1"], "score": score, "turn": 1}

    rows = [grade(1, "a", 4), grade(1, "b", 9), grade(2, "a", 7), grade(2, "b", 7), grade(3, "a", 5), grade(3, "b", -1)]
    result = judged(import_mt_bench([jsonl(tmp_path, rows)], base="a", tuned="b"))
    assert (result.kind, result.n, result.unscored, result.wins, result.ties) == ("pointwise", 2, 1, 1, 1)
    assert result.mean_difference.value == pytest.approx((5 / 9 + 0) / 2)


def test_texts_come_from_fastchats_own_files(tmp_path):
    questions = jsonl(tmp_path, [{"question_id": 81, "turns": ["Hello?", "And?"]}], "question.jsonl")
    answers = jsonl(
        tmp_path,
        [{"question_id": 81, "model_id": name, "choices": [{"turns": [f"{name} 1", f"{name} 2"]}]} for name in "ab"],
        "answers.jsonl",
    )
    path = jsonl(tmp_path, [game(81, "tie", "tie")])
    run = api.import_run(import_mt_bench([path], base="a", tuned="b", questions=[questions], answers=[answers]))
    assert "turn 2: b 2" in run.samples.set_index("arm").loc["tuned", "text"]
    bare = api.import_run(import_mt_bench([path], base="a", tuned="b"))
    assert "does not hold this text" in bare.samples["text"].iloc[0]


def test_peoples_votes_on_one_question_are_averaged(recorded):
    path = recorded / "judge_mt_bench_human" / "human_votes.jsonl"
    rows = rows_of(path)
    pair = {"gpt-3.5-turbo", "alpaca-13b"}
    mine = [row for row in rows if {row["model_a"], row["model_b"]} == pair]
    by_question = {}
    for row in mine:
        won = 0.5 if row["winner"].startswith("tie") else float(row[row["winner"]] == "gpt-3.5-turbo")
        by_question.setdefault(row["question_id"], []).append(won)
    expected = sum(sum(one) / len(one) for one in by_question.values()) / len(by_question)
    result = judged(import_mt_bench([path], base="alpaca-13b", tuned="gpt-3.5-turbo"))
    assert result.n == len(by_question) and result.win_rate.value == pytest.approx(expected)


def arena(question, first, second, **more):
    return {"question_id": question, "model": "m", "judge": "j", "games": [{"score": first}, {"score": second}], **more}


def test_arena_hard_games_are_turned_to_tuneds_side(tmp_path):
    rows = [
        arena("1", "B>>A", "A>B"),  # the model wins from either slot
        arena("2", "A>B", "A>B"),  # whoever stands first: a flip
        arena("3", "A=B", "A=B"),
        arena("4", None, "A>B"),
    ]
    result = judged(import_arena_hard([jsonl(tmp_path, rows)]))
    assert (result.n, result.unscored, result.wins, result.ties) == (3, 1, 1, 2)
    assert result.order_flip_rate == pytest.approx(1 / 3)
    newer = [{**arena("1", "B>A", "A>>B"), "baseline": "o3"}]
    imported = import_arena_hard([jsonl(tmp_path, newer)])
    assert (imported.base, imported.tuned) == ("o3", "m")


def test_battles_are_averaged_by_prompt(recorded):
    """Strong verdicts are repeated rows there: by row the win rate is the stored one, by prompt it need not be."""
    folder = recorded / "arena_hard_battles"
    rows = rows_of(folder / "battles.jsonl")
    expected = json.loads((folder / "expected.json").read_text())["empirical"]["gpt-4o"]
    mine = [row for row in rows if row["model_b"] == "gpt-4o"]
    assert sum(row["winner"] == "model_b" for row in mine) == expected["b_wins"]
    by_question = {}
    for row in mine:
        won = 0.5 if "tie" in row["winner"] else float(row["winner"] == "model_b")
        by_question.setdefault(row["question_id"], []).append(won)
    result = judged(import_arena_hard([folder / "battles.jsonl"], base="claude-3-haiku-20240307", tuned="gpt-4o"))
    by_prompt = sum(sum(one) / len(one) for one in by_question.values()) / len(by_question)
    assert result.n == len(by_question) and result.win_rate.value == pytest.approx(by_prompt)


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([game(1, "tie", "tie")], {"base": "x"}, r"--base: no model 'x'.*it holds: a, b"),
        ([game(1, "first", "tie")], {"base": "a"}, r":1: winner 'first'"),
        ([game(1, "tie", "tie"), game(1, "tie", "tie", two="c")], {}, r"say which models"),
        ([{"question_id": 1}], {}, r"is no MT-bench judgment"),
        ([game(1, "tie", "tie")], {"turn": 2}, r"no judgment of turn 2"),
    ],
)
def test_mistakes_are_named(tmp_path, rows, options, said):
    with pytest.raises(InputError, match=said):
        import_mt_bench([jsonl(tmp_path, rows)], **options)


def test_a_score_that_arena_hard_does_not_know_is_refused(tmp_path):
    with pytest.raises(InputError, match=r":1: score: 'A wins'"):
        import_arena_hard([jsonl(tmp_path, [arena("1", "A wins", None)])])
