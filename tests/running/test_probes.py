"""What is measured beside the suites: which questions, in which order of engines, and when it is left out."""

import math

import pytest

from evalkit.config import ProbesSpec
from evalkit.running.probes import Probes
from evalkit.running.requests import Item
from evalkit.stored.records import Records, samples_frame
from evalkit.tasks import Task
from evalkit.types import PROBES, Completion, Example, Failure, Message, ModelRecord, Prepared


def model(name, tokenizer="t"):
    return ModelRecord(name, "vllm", name, f"weights {name}", tokenizer_fingerprint=tokenizer)


def items(*kinds, n=5):
    found = []
    for kind in kinds:
        examples = tuple(Example(str(i), (Message("user", f"{kind} {i}"),)) for i in range(n))
        task = Task("s", f"{kind} task", kind, examples, "hash")
        found += [Item(task, example) for example in examples]
    return found


def probes(records=None, *, base=None, tuned=None, asked=None, **spec):
    models = {"base": base or model("b"), "tuned": tuned or model("t")}
    spec = ProbesSpec(**{"prompts": 4, "max_tokens": 8, **spec})
    return Probes(spec, models, asked or items("generate"), Records() if records is None else records, seed=0)


def run(beside, *, prompts=lambda arm: (1, 2), logprobs=lambda arm: -1.0, fails=lambda request: False):
    """Answer every stage of tuned's engine, then of base's, as an engine would."""
    for arm in ("tuned", "base"):
        for stage in (beside.first, beside.further):
            for request in stage([arm]):
                if fails(request):
                    beside.land(request, Completion("", failure=Failure(arm, "x", "y")), None)
                    continue
                prepared = Prepared(request, "prompt", "key", prompts(arm))
                if request.text is not None or request.tokens:
                    beside.land(request, Completion("", logprobs=(logprobs(arm) * 2,)), prepared)
                else:
                    beside.land(request, Completion("words", token_ids=(7, 8)), prepared)
    beside.finish()


def rows(records):
    frame = samples_frame(records.table())
    assert set(frame["suite"]) <= {PROBES}
    return frame


def test_kl_is_the_mean_log_ratio_of_the_very_tokens_that_tuned_wrote():
    records = Records()
    run(probes(records), logprobs=lambda arm: -1.0 if arm == "tuned" else -1.5)
    kl = rows(records).query("task == 'kl'")
    assert len(kl) == 4 and set(kl["arm"]) == {"tuned"}
    assert list(kl["value"]) == pytest.approx([0.5] * 4)  # two tokens, half a nat each


def test_both_arms_score_the_same_tokens_after_the_same_question():
    beside = probes()
    written = [r for r in beside.first(["tuned"]) if r.text is None]
    assert all(r.sampling.temperature == 1.0 and r.sampling.top_p == 1.0 and r.keep_tokens for r in written)
    assert len({r.sampling.seed for r in written}) == len(written)
    for request in written:
        assert beside.further(["tuned"]) == []
        beside.land(request, Completion("words", token_ids=(7, 8)), Prepared(request, "prompt", "key", (1, 2)))
        for arm in ("tuned", "base"):  # askable as soon as it is written, and asked once
            scored = beside.further([arm])
            assert [(r.model, r.messages, r.tokens) for r in scored] == [(arm, request.messages, (7, 8))]


def test_held_out_text_is_in_bits_per_byte_of_both_arms():
    records = Records()
    run(probes(records, prompts=0), logprobs=lambda arm: -math.log(2))
    text = rows(records).query("task == 'held-out text'")
    assert set(text["arm"]) == {"base", "tuned"} and len(text) > 80
    one = text.iloc[0]
    size = len(one["prompt"]) and len(beside_text(one["id"]).encode())
    assert one["value"] == pytest.approx(2 / size)


def beside_text(id):
    from evalkit.running.probes import _paragraphs

    return _paragraphs()[id]


def test_free_answers_are_preferred_and_tasks_take_turns():
    asked = items("choice", "generate")
    beside = probes(asked=asked, prompts=6)
    _, *_ = stage = [r for r in beside.first(["tuned"]) if r.text is None]
    assert {r.messages[0].content.split()[0] for r in stage} == {"generate"}
    only_choices = probes(asked=items("choice"))
    assert [r for r in only_choices.first(["tuned"]) if r.text is None]


def test_other_tokenizers_have_no_kl_and_the_reason_is_said():
    records = Records()
    beside = probes(records, base=model("b", "one"), tuned=model("t", "two"))
    run(beside)
    assert set(rows(records)["task"]) == {"held-out text"}
    assert beside.cautions == ("no KL(tuned || base): the models have different tokenizers",)
    assert not beside.tuned_first


def test_where_the_rendered_prompts_differ_there_is_no_kl():
    records = Records()
    beside = probes(records)
    run(beside, prompts=lambda arm: (1, 2) if arm == "base" else (1, 3))
    assert set(rows(records)["task"]) == {"held-out text"}
    assert "the rendered prompts differ" in beside.cautions[0]


def test_an_api_or_recorded_outputs_are_not_probed():
    for silent in ("base", "tuned"):
        records = Records()
        beside = probes(records, **{silent: ModelRecord("m", "openai", "m", "f")})
        assert not beside.tuned_first and beside.first(["base", "tuned"]) == []
        assert beside.cautions == ()


def test_a_question_that_fails_is_left_out_and_the_rest_goes_on():
    records = Records()
    run(probes(records), fails=lambda r: r.model == "base" and r.example_id.endswith("/2"))
    assert len(rows(records).query("task == 'kl'")) == 3


def test_probes_can_be_switched_off():
    beside = probes(prompts=0, text=False)
    assert beside.first(["base", "tuned"]) == [] == beside.further(["base", "tuned"])
