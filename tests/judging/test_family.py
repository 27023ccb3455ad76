"""Which family a model is of, and when a judge is a relative of those it judges."""

import pytest

from evalkit.judging import family, self_preference
from evalkit.types import ModelRecord


def model(name: str, *, fingerprint: str = "", architecture: str | None = None) -> ModelRecord:
    return ModelRecord("m", "vllm", name, fingerprint or name, architecture=architecture)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama"),
        ("codellama/CodeLlama-7b-hf", "llama"),
        ("accounts/fireworks/models/llama-v3p1-405b-instruct", "llama"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen"),
        ("Qwen/QwQ-32B", "qwen"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mistral"),
        ("mistralai/Mistral-7B-v0.3", "mistral"),
        ("google/gemma-3-4b-it", "gemma"),
        ("gemini-2.5-pro", "gemma"),
        ("microsoft/phi-4", "phi"),
        ("microsoft/Phi-3-mini-4k-instruct", "phi"),
        ("gpt-4o-mini", "gpt"),
        ("gpt-4.1-2025-04-14", "gpt"),
        ("openai/gpt-oss-20b", "gpt"),
        ("chatgpt-4o-latest", "gpt"),
        ("o1", "gpt"),
        ("o3-mini", "gpt"),
        ("o4-mini-2025-04-16", "gpt"),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "claude"),
        ("deepseek-ai/DeepSeek-V3", "deepseek"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "smollm"),
        ("models/SmolLM2-135M-Instruct/", "smollm"),
        ("allenai/OLMo-2-1124-7B", "olmo"),
        ("allenai/OLMoE-1B-7B-0924", "olmo"),
        ("tiiuae/falcon-7b", "falcon"),
        ("ibm-granite/granite-3.3-8b-instruct", "granite"),
        ("THUDM/chatglm3-6b", "glm"),
        ("zai-org/GLM-4.5", "glm"),
        ("01-ai/Yi-1.5-34B-Chat", "yi"),
        ("CohereForAI/c4ai-command-r-plus", "command"),
        ("internlm/internlm2_5-7b-chat", "internlm"),
        ("moonshotai/Kimi-K2-Instruct", "kimi"),
        ("MiniMaxAI/MiniMax-M1-80k", "minimax"),
        # Relatives by name only, and words that hold a family's letters.
        ("EleutherAI/gpt-j-6b", None),
        ("openai-community/gpt2", None),
        ("cognitivecomputations/dolphin-2.9", None),
        ("my/flying-yield", None),
        ("runs/checkpoint-500", None),
        ("vortex-o1ive", None),
        ("", None),
    ],
)
def test_the_name_tells_the_family(name, expected):
    assert family(model(name)) == expected


def test_a_folder_above_the_model_does_not():
    assert family(model("/data/llama-experiments/final")) is None


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [("qwen2_moe", "qwen"), ("llama", "llama"), ("gemma3_text", "gemma"), ("phi3", "phi"), ("gpt_oss", "gpt"),
     ("gpt_neox", "pythia"), ("gpt2", None), ("cohere2", "command"), ("deepseek_v3", "deepseek"), ("bert", None)],
)  # fmt: skip
def test_of_a_name_that_says_nothing_the_architecture_does(architecture, expected):
    assert family(model("runs/checkpoint-500", architecture=architecture)) == expected


def test_the_name_goes_before_the_architecture():
    assert family(model("SmolLM2-135M", architecture="llama")) == "smollm"


BASE, TUNED = model("Qwen/Qwen2.5-7B"), model("runs/checkpoint-500", architecture="qwen2")


def test_a_stranger_brings_no_caution():
    assert self_preference(model("gpt-4o"), BASE, TUNED) is None
    assert self_preference(model("nobody"), model("no-one"), model("none")) is None


def test_a_relative_of_one_or_both_is_named():
    judge = model("Qwen/Qwen2.5-72B-Instruct")
    stranger = model("google/gemma-3-4b")
    assert self_preference(judge, stranger, TUNED) == (
        "the judge and tuned are both of the qwen family: models favour their own"
    )
    assert self_preference(judge, BASE, stranger) == (
        "the judge and base are both of the qwen family: models favour their own"
    )
    assert self_preference(judge, BASE, TUNED) == (
        "the judge, base and tuned are all of the qwen family: models favour their own"
    )


def test_a_judge_that_is_a_candidate_is_called_that_even_without_a_family():
    judge = model("unknown", fingerprint="f")
    said = self_preference(judge, model("other"), model("x", fingerprint="f"))
    assert said == "the judge is tuned itself: models favour their own"
    itself = self_preference(BASE, BASE, TUNED)
    assert (
        itself == "the judge is base itself; the judge and tuned are both of the qwen family: models favour their own"
    )


def test_a_model_distilled_from_another_family_is_a_relative_of_both():
    distilled = model("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B")
    other = model("claude-sonnet-4")
    assert family(distilled) == "deepseek"
    assert "qwen family" in (self_preference(BASE, other, distilled) or "")
    assert "deepseek family" in (self_preference(model("deepseek-chat"), other, distilled) or "")


def test_what_tuned_was_held_against_is_called_by_its_name():
    said = self_preference(model("qwen-max"), BASE, model("gpt-4o"), against="incumbent")
    assert said == "the judge and incumbent are both of the qwen family: models favour their own"
