"""One base against several candidates, through scripted engines."""

import json

import pytest

from evalkit.commands.sweep import exit_code
from evalkit.config import ModelSpec, PolicySpec
from evalkit.sweeping import run_sweep, step_of
from evalkit.sweeping.running import folder_names
from evalkit.types import Completion, Failure, InputError
from tests.asking import FAKE_BASE, suite

__all__ = ["suite"]


def candidate(name, weights=None, **fields):
    return ModelSpec(name=name, backend="fake", model=weights or name, **fields)


def sweep(asked, *names, tmp_path, **options):
    return run_sweep(FAKE_BASE, [candidate(name) for name in names], suites=[asked], out=tmp_path / "out", **options)


def asked_of(fake, model):
    return [request for request in fake.generated if request.model == model]


def test_base_is_asked_once_and_its_engine_starts_once(fake, suite, tmp_path):
    swept = sweep(suite(n=8), "a", "b", "c", tmp_path=tmp_path)
    assert len(asked_of(fake, "base")) == 8 and len(asked_of(fake, "tuned")) == 24
    assert fake.started == ["base", "tuned", "tuned", "tuned"]
    assert {one.name for one in swept.candidates} == {"a", "b", "c"} and swept.complete


def test_candidates_on_one_engine_with_base_are_asked_in_one_go(fake, suite, tmp_path):
    """As LoRA adapters on CUDA: the engine is loaded once, and what each run needs is in the journal when it begins."""
    fake.one_engine = True
    swept = sweep(suite(n=8, follow_ups=["Sure?"]), "a", "b", "c", tmp_path=tmp_path)
    assert len(fake.started) == 1 and len(fake.generated) == 4 * 8 * 2
    assert {one.name for one in swept.candidates} == {"a", "b", "c"} and swept.complete
    opening = fake.generated[:4]  # all models of an item in a row
    assert len({one.example_id for one in opening}) == 1 and len({one.model for one in opening}) == 4


def test_one_engine_that_cannot_start_leaves_each_candidate_to_its_own_run(fake, suite, tmp_path):
    fake.one_engine, fake.die_after = True, 5
    swept = sweep(suite(n=8), "a", "b", tmp_path=tmp_path)
    assert not swept.complete and len(fake.started) == 3
    fake.die_after = None
    assert sweep(suite(n=8), "a", "b", tmp_path=tmp_path).complete


def test_a_sweep_that_is_run_again_generates_nothing(fake, suite, tmp_path):
    first = sweep(suite(n=8), "a", "b", tmp_path=tmp_path)
    fake.generated.clear()
    fake.started.clear()
    assert sweep(suite(n=8), "a", "b", tmp_path=tmp_path) == first
    assert fake.generated == [] and fake.started == []


def test_a_candidate_that_is_added_later_is_all_that_is_asked(fake, suite, tmp_path):
    sweep(suite(n=8), "a", tmp_path=tmp_path)
    fake.started.clear()
    sweep(suite(n=8), "a", "b", tmp_path=tmp_path)
    assert fake.started == ["tuned"]


def test_every_candidate_has_a_full_run_of_its_own(fake, suite, tmp_path):
    sweep(suite(n=8), "a", "b", tmp_path=tmp_path)
    six = {"report.html", "summary.json", "samples.parquet", "manifest.json", "junit.xml", "summary.md"}
    for name in "ab":
        assert {path.name for path in (tmp_path / "out" / name).iterdir()} == six
        summary = json.loads((tmp_path / "out" / name / "summary.json").read_text())
        assert summary["tuned"]["name"] == name


def test_an_engine_that_dies_under_one_candidate_leaves_the_others(fake, suite, tmp_path):
    lost = Failure("tuned", "engine_died", "the engine died")
    fake.answer = _by_candidate(fake, {1: Completion("", finish_reason="error", failure=lost)})
    swept = sweep(suite(n=8), "a", "b", "c", tmp_path=tmp_path)
    assert {one.name: one.complete for one in swept.candidates} == {"a": True, "b": False, "c": True}
    assert not swept.candidate("b").on_front and swept.candidate("b").gain is swept.candidate("b").tax is None
    assert exit_code(swept) == 4


def _by_candidate(fake, answers):
    """What the candidate in that place answers instead of 42."""

    def answer(request):
        place = fake.started.count("tuned") - 1
        reply = answers.get(place, "42") if request.model == "tuned" else "42"
        if isinstance(reply, Exception):
            raise reply
        return reply

    return answer


def test_a_run_that_breaks_off_is_named_with_its_reason_and_leaves_no_stale_report(fake, suite, tmp_path):
    stale = tmp_path / "out" / "b" / "report.html"
    stale.parent.mkdir(parents=True)
    stale.write_text("an older one")
    fake.answer = _by_candidate(fake, {1: ZeroDivisionError("in a plugin")})
    swept = sweep(suite(n=8), "a", "b", "c", tmp_path=tmp_path)
    broken = swept.candidate("b")
    assert (broken.failure, broken.decision, broken.folder) == ("ZeroDivisionError: in a plugin", None, None)
    assert not stale.exists() and "ZeroDivisionError" in (stale.parent / "error.txt").read_text()
    assert swept.best in ("a", "c") and [one.name for one in swept.candidates][-1] == "b"
    assert exit_code(swept) == 4
    fake.answer = lambda request: "42"
    assert sweep(suite(n=8), "a", "b", "c", tmp_path=tmp_path).complete
    assert stale.exists() and not (stale.parent / "error.txt").exists()


def test_all_model_files_are_checked_before_an_engine_starts(fake, suite, tmp_path):
    bad = [ModelSpec(name=name, backend="replay", outputs=f"{name}.jsonl", folder=str(tmp_path)) for name in "xy"]
    with pytest.raises(InputError) as caught:
        run_sweep(FAKE_BASE, [candidate("a"), *bad], suites=[suite()], out=tmp_path / "out")
    assert "x.jsonl" in str(caught.value) and "y.jsonl" in str(caught.value)
    assert fake.started == [] and not (tmp_path / "out" / "a").exists()


def test_names_must_tell_models_apart(fake, suite, tmp_path):
    for name in ("a", "base-model"):
        with pytest.raises(InputError, match=f"name: '{name}'.*a name of its own"):
            sweep(suite(), "a", name, tmp_path=tmp_path)
    (tmp_path / "base.yaml").write_text("name: b\nbackend: fake\nmodel: w\n")
    with pytest.raises(InputError, match="named twice: it is the base already; leave it out"):
        run_sweep(tmp_path / "base.yaml", [tmp_path / "base.yaml"], suites=[suite()], out=tmp_path / "out")
    with pytest.raises(InputError, match="no candidate"):
        run_sweep(FAKE_BASE, [], suites=[suite()], out=tmp_path / "out")


def test_the_same_weights_under_two_names_are_pointed_out(fake, suite, tmp_path):
    both = [candidate("a", "w"), candidate("b", "w")]
    swept = run_sweep(FAKE_BASE, both, suites=[suite()], out=tmp_path / "out")
    assert "a, b: the same model, by content" in swept.cautions
    assert swept.candidate("b" if swept.best == "a" else "a").against_best.apart is False


def test_what_is_wrong_with_the_policy_is_an_error_of_the_whole_sweep(fake, suite, tmp_path):
    (tmp_path / "p.yaml").write_text("required: [nothing]\n")
    with pytest.raises(InputError, match="no gate 'nothing'"):
        sweep(suite(), "a", "b", tmp_path=tmp_path, policy=tmp_path / "p.yaml")


def test_gates_may_be_held_against_the_model_in_use_for_every_candidate(fake, suite, tmp_path):
    policy = PolicySpec.model_validate({"retain": {"margin": 0.2, "against": "incumbent"}})
    prod = ModelSpec(name="prod", backend="fake", model="prod")
    got = sweep(suite(n=40), "a", "b", tmp_path=tmp_path, policy=policy, incumbent=prod)
    assert [gate.against for one in got.candidates for gate in one.decision.gates if gate.kind == "retain"] == [
        "incumbent"
    ] * 2
    assert len([one for one in fake.generated if one.model == "incumbent"]) == 40, "it is asked once for all candidates"
    with pytest.raises(InputError, match="--incumbent"):
        sweep(suite(n=40), "a", tmp_path=tmp_path, policy=policy)


def test_folders_are_safe_and_distinct_whatever_models_are_called():
    names = ["ckpt-1", "CKPT-1", "../../etc", "a/b", "a b", "report.html", "", "模型", "x" * 300]
    got = folder_names([ModelSpec(name=name or ".", backend="fake", model="m") for name in names])
    assert got[:7] == ["ckpt-1", "CKPT-1-2", "etc", "a-b", "a-b-2", "report.html-2", "candidate"]
    assert got[7] == "candidate-2" and len(got[8]) == 80


@pytest.mark.parametrize(
    ("fields", "step"),
    [
        ({"name": "m", "step": 7}, 7),
        ({"name": "sft-checkpoint-1200"}, 1200),
        ({"name": "step_1200"}, 1200),
        ({"name": "ckpt-1200", "step": 3}, 3),
        ({"name": "m", "file": "/x/ckpt-1200.yaml"}, 1200),
        ({"name": "m", "model": "out/checkpoint-400/checkpoint-800"}, 800),
        ({"name": "m", "backend": "vllm", "model": "base", "adapter": "lora/global_step1500/"}, 1500),
        ({"name": "llama-3-70b"}, None),
        ({"name": "footstep-12"}, None),
        ({"name": "step-3b"}, None),
    ],
)
def test_the_step_is_read_from_the_field_else_from_a_name_or_path(fields, step):
    assert step_of(ModelSpec(**{"backend": "fake", "model": "m", **fields})) == step
