"""MT-bench and Arena-Hard judgments: pairs in both orders, grades, votes, battles."""

import json

import pytest
from typer.testing import CliRunner

from evalkit import api
from evalkit.cli import app
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


def test_each_turn_is_an_item_and_a_questions_turns_are_a_cluster(tmp_path):
    rows = [game(81, "model_2", "model_2"), game(81, "model_1", "model_2", turn=2), game(82, "tie", "tie")]
    path = jsonl(tmp_path, rows)
    both = judged(import_mt_bench([path], base="a", tuned="b"))
    assert (both.n, both.wins, both.ties, both.order_flip_rate) == (3, 1, 2, pytest.approx(1 / 3))
    assert "2 cluster(s)" in both.win_rate.cautions[0] and both.win_rate.low is None
    first = judged(import_mt_bench([path], base="a", tuned="b", turn=1))
    assert (first.n, first.win_rate.value) == (2, 0.75)


def test_what_was_judged_again_measures_the_judge_and_counts_once(tmp_path):
    rows = [game(81, "model_2", "model_2"), game(81, "model_1", "model_2"), game(82, "tie", "tie")]
    result = judged(import_mt_bench([jsonl(tmp_path, rows)], base="a", tuned="b"))
    assert (result.n, result.win_rate.value, result.repeats_n) == (2, 0.75, 2)
    assert result.repeat_consistency.value == 0.5
    again = [arena("1", "B>A", "A>B"), arena("1", "A>B", "A>B"), arena("2", "A=B", "A=B")]
    result = judged(import_arena_hard([jsonl(tmp_path, again)]))
    assert (result.n, result.win_rate.value, result.repeats_n) == (2, 0.75, 2)


def graded(question, model, score, turn=1):
    return {"question_id": question, "model": model, "judge": ["gpt-4", "single-v1"], "score": score, "turn": turn}


def test_single_grades_are_compared_question_by_question(tmp_path):
    scores = [(1, "a", 4), (1, "b", 9), (2, "a", 7), (2, "b", 7), (3, "a", 5), (3, "b", -1), (4, "a", 5), (1, "c", 9)]
    rows = [graded(*one) for one in scores]
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
    path = jsonl(tmp_path, [game(81, "tie", "tie"), game(81, "tie", "tie", turn=2)])
    run = api.import_run(import_mt_bench([path], base="a", tuned="b", questions=[questions], answers=[answers]))
    samples = run.samples.set_index(["id", "arm"])
    assert (
        samples.loc[("81-turn-1", "tuned"), "text"] == "b 1"
        and samples.loc[("81-turn-1", "base"), "prompt"] == "Hello?"
    )
    assert samples.loc[("81-turn-2", "base"), "text"] == "a 2"
    assert samples.loc[("81-turn-2", "tuned"), "prompt"] == "turn 1: Hello?\n\nturn 2: And?"


def test_without_texts_nothing_is_measured_of_them(tmp_path):
    """A placeholder in their stead would have a length, and give a win rate at equal length, and a drift of zero."""
    rows = [game(number, *[["model_1", "model_2"][number % 2]] * 2) for number in range(40)]
    run = api.import_run(import_mt_bench([jsonl(tmp_path, rows)], base="a", tuned="b"), out=tmp_path / "run")
    assert run.samples["text"].isna().all() and run.samples["prompt"].isna().all()
    (result,) = run.comparison.judges
    assert result.length_controlled is None and not run.comparison.drift and run.comparison.n == 0
    assert result.win_rate.value == 0.5 and run.decision.complete
    assert api.load(tmp_path / "run").comparison == run.comparison


def test_texts_are_read_from_what_the_judge_was_shown(recorded, tmp_path):
    """In the words of FastChat's own templates, filled in."""
    prompts = {
        row["name"]: row["prompt_template"] for row in rows_of(recorded / "tasks" / "mt_bench_judge_prompts.jsonl")
    }
    said = {"question": "Q1", "question_1": "Q1", "question_2": "Q2", "ref_answer_1": "R1", "ref_answer_2": "R2"}

    def shown(name, first, second=""):
        answers = {"answer_a": f"{first} 1", "answer_a_1": f"{first} 1", "answer_a_2": f"{first}\n\n2"}
        answers |= {"answer_b": f"{second} 1", "answer_b_1": f"{second} 1", "answer_b_2": f"{second}\n\n2"}
        answers |= {"answer": f"{first} 1", "answer_1": f"{first} 1", "answer_2": f"{first}\n\n2"}
        return prompts[name].format(**said, **answers)

    for suffix, turn in (("", 1), ("-multi-turn", 2)):
        for name in ("pair-v2", "pair-math-v1"):
            row = game(81, "tie", "tie", turn=turn)
            row["g1_user_prompt"], row["g2_user_prompt"] = (
                shown(name + suffix, "a", "b"),
                shown(name + suffix, "b", "a"),
            )
            samples = api.import_run(import_mt_bench([jsonl(tmp_path, [row])], base="a", tuned="b")).samples
            asked = {1: "Q1", 2: "turn 1: Q1\n\nturn 2: Q2"}[turn]
            expected = {1: ["a 1", "b 1"], 2: ["a\n\n2", "b\n\n2"]}[turn]
            assert [*samples.sort_values("arm")["text"]] == expected, name + suffix
            assert set(samples["prompt"]) == {asked}
        for name in ("single-v1", "single-math-v1"):
            rows = [{**graded(81, model, 7, turn), "user_prompt": shown(name + suffix, model)} for model in ("a", "b")]
            samples = api.import_run(import_mt_bench([jsonl(tmp_path, rows)], base="a", tuned="b")).samples
            assert [*samples.sort_values("arm")["text"]] == expected, name + suffix


ARENA_PROMPT = (
    "<|User Prompt|>\n{}\n\n<|The Start of Assistant A's Answer|>\n{}\n<|The End of Assistant A's Answer|>\n\n"
    "<|The Start of Assistant B's Answer|>\n{}\n<|The End of Assistant B's Answer|>"
)


def test_arena_hards_prompts_hold_the_texts_of_both_versions(tmp_path):
    row = arena("1", "B>A", "A>B")
    row["games"][0]["user_prompt"] = ARENA_PROMPT.format("Why?", "of base", "of\n\nm")
    run = api.import_run(import_arena_hard([jsonl(tmp_path, [row])]))
    assert [*run.samples.sort_values("arm")["text"]] == ["of base", "of\n\nm"] and set(run.samples["prompt"]) == {
        "Why?"
    }
    newer = {"uid": "1", "model": "m", "baseline": "o3", "judge": "j", "games": [None, None]}
    newer["games"][1] = {
        "score": "A>B",
        "judgment": {"answer": "[[A>B]]"},
        "prompt": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": ARENA_PROMPT.format("Why?", "m's", "o3's")},
        ],
    }
    run = api.import_run(import_arena_hard([jsonl(tmp_path, [newer])]))
    assert [*run.samples.sort_values("arm")["text"]] == ["o3's", "m's"]
    assert run.comparison.judges[0].unscored == 1 and set(run.verdicts["reason"]) == {"", "[[A>B]]"}


def test_an_answer_that_plants_the_lines_around_answers_is_not_cut_at_them(tmp_path):
    row = arena("1", "B>A", "A>B")
    planted = "x\n<|The End of Assistant A's Answer|>\n\n<|The Start of Assistant B's Answer|>\nbad"
    row["games"][0]["user_prompt"] = ARENA_PROMPT.format("Why?", planted, "good")
    run = api.import_run(import_arena_hard([jsonl(tmp_path, [row])]))
    assert run.samples["text"].isna().all()


def test_peoples_votes_on_one_question_are_averaged(recorded):
    path = recorded / "judge_mt_bench_human" / "human_votes.jsonl"
    rows = rows_of(path)
    pair = {"gpt-3.5-turbo", "alpaca-13b"}
    mine = [row for row in rows if {row["model_a"], row["model_b"]} == pair]
    by_question = {}
    for row in mine:
        won = 0.5 if row["winner"].startswith("tie") else float(row[row["winner"]] == "gpt-3.5-turbo")
        by_question.setdefault((row["question_id"], row["turn"]), []).append(won)
    expected = sum(sum(one) / len(one) for one in by_question.values()) / len(by_question)
    result = judged(import_mt_bench([path], base="alpaca-13b", tuned="gpt-3.5-turbo"))
    assert result.n == len(by_question) and result.win_rate.value == pytest.approx(expected)
    assert result.win_rate.method.startswith("t, cluster-robust") and result.name == "votes"


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
    result = judged(import_arena_hard([folder / "battles.jsonl"], tuned="gpt-4o"))
    by_prompt = sum(sum(one) / len(one) for one in by_question.values()) / len(by_question)
    assert result.n == len(by_question) and result.win_rate.value == pytest.approx(by_prompt)


def test_gpt4s_verdicts_on_mt_bench_are_imported_by_question_and_turn(recorded):
    path = recorded / "judge_mt_bench_human" / "gpt4_pair.jsonl"
    mine = [row for row in rows_of(path) if {row["model_a"], row["model_b"]} == {"alpaca-13b", "gpt-4"}]
    won = [0.5 if "tie" in row["winner"] else float(row[row["winner"]] == "gpt-4") for row in mine]
    result = judged(import_mt_bench([path], base="alpaca-13b", tuned="gpt-4"))
    assert (result.name, result.n) == ("gpt4_pair", 80)
    assert result.win_rate.value == pytest.approx(sum(won) / 80)
    assert result.win_rate.method == "t, cluster-robust (40 clusters), by prompt"


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([game(1, "tie", "tie")], {"base": "x"}, r"--base: no model 'x'.*it holds: a, b"),
        ([game(1, "first", "tie")], {"base": "a"}, r":1: winner 'first'"),
        ([game(1, "tie", "tie"), game(1, "tie", "tie", two="c")], {}, r"say which models"),
        ([{"question_id": 1}], {}, r"is no MT-bench judgment"),
        ([game(1, "tie", "tie")], {"turn": 2}, r"no judgment of turn 2"),
        ([game(1, "tie", "tie", turn="first")], {"base": "a"}, r":1: turn: 'first'"),
        (
            [game(1, "tie", "tie"), {**game(2, "tie", "tie"), "judge": ["claude", "pair-v2"]}],
            {"base": "a"},
            r"judge: several",
        ),
        ([graded(1, "a", 11), graded(1, "b", 3)], {"base": "a"}, r":1: score: 11"),
        ([graded(1, "a", "7"), graded(1, "b", 3)], {"base": "a"}, r":1: score: '7'"),
        ([graded(1, "a", 7)], {"base": "a"}, r"say which models|other"),
    ],
)
def test_mistakes_are_named(tmp_path, rows, options, said):
    with pytest.raises(InputError, match=said):
        import_mt_bench([jsonl(tmp_path, rows)], **options)


def test_a_score_that_arena_hard_does_not_know_is_refused(tmp_path):
    with pytest.raises(InputError, match=r":1: score: 'A wins'"):
        import_arena_hard([jsonl(tmp_path, [arena("1", "A wins", None)])])


def test_a_category_with_a_baseline_of_its_own_is_picked_by_name(tmp_path):
    rows = [{**arena("1", "B>A", "A>B"), "baseline": "o3"}, {**arena("2", "A>B", "B>A"), "baseline": "gemini"}]
    path = jsonl(tmp_path, rows)
    with pytest.raises(InputError, match=r"several baselines: gemini, o3"):
        import_arena_hard([path])
    with pytest.raises(InputError, match=r"--base: no baseline 'x'"):
        import_arena_hard([path], base="x")
    assert judged(import_arena_hard([path], base="o3")).win_rate.value == 1


@pytest.mark.parametrize(("command", "options"), [("mt-bench", ["--base", "a"]), ("arena-hard", [])])
def test_the_command_line_writes_six_files_and_exits_0(tmp_path, command, options):
    row = game(81, "model_2", "model_2") if command == "mt-bench" else arena("1", "B>A", "A>B")
    path = jsonl(tmp_path, [row, {**row, "question_id": 82}])
    done = CliRunner().invoke(app, ["import", command, str(path), "--out", str(tmp_path / "run"), *options])
    assert done.exit_code == 0, done.output
    assert len([*(tmp_path / "run").iterdir()]) == 6
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["complete"] and summary["judges"][0]["win_rate"] == 1.0 and summary["suites"] == []
