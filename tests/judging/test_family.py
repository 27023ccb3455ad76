import pytest

from evalkit.judging.family import family, self_preference
from evalkit.types import ModelRecord


def model(name, fingerprint=None, architecture=None):
    return ModelRecord(name, "vllm", name, fingerprint or name, architecture=architecture)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", "qwen"),
        ("gpt-4o-2024-08-06", "gpt"),
        ("o3-mini", "gpt"),
        ("meta-llama/Llama-3.1-8B", "llama"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "smollm"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "qwen"),
        ("mistralai/Mixtral-8x7B-v0.1", "mistral"),
        ("/models/ours-v7", None),
        ("google/gemma-2-9b-it", "gemma"),
        ("tiny-yield-model", None),
    ],
)
def test_a_models_name_tells_its_family(name, expected):
    assert family(model(name)) == expected


def test_without_a_telling_name_the_architecture_does():
    assert family(model("/ckpt/step-800", architecture="qwen3")) == "qwen3"


def test_a_judge_of_the_candidates_family_is_pointed_out():
    judge, base, tuned = model("Qwen/Qwen3-32B"), model("Qwen/Qwen2.5-7B"), model("/out/dpo")
    assert self_preference(judge, base, tuned) == "the judge and base are of one family (qwen): models favour their own"
    assert self_preference(model("claude-x"), base, tuned) is None
    assert "tuned itself" in self_preference(model("j", "same"), base, model("t", "same"))
    assert self_preference(model("unknown-judge"), model("ours-a"), model("ours-b")) is None
