"""Canaries: is a base kept apart from the adapters served beside it, and each adapter from the others?"""

from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from evalkit.backends.local import LocalModel
from evalkit.backends.served_adapters import fault, is_servable
from evalkit.backends.vllm import VllmBackend
from evalkit.config import ModelSpec
from tests.backends.test_adapters import adapter, base
from tests.backends.test_rendering import tokenizer

TOKENIZER = SimpleNamespace(vocab_size=640, encode=lambda text: list(text.encode()))


def server(alone, among=None):
    """Answers each name with its number, and in a batch of several names with the number of whom `among` says instead."""

    def ask(asked, named):
        several = len({name for _, name in asked}) > 1
        return [
            [alone[(among or {}).get(name, name) if several else name] + token for token in named] for _, name in asked
        ]

    return ask


def test_a_server_that_keeps_all_apart_has_no_fault():
    assert fault(TOKENIZER, "base", ["a", "b"], server({"base": 0.0, "a": 0.5, "b": 0.7})) is None


def test_each_way_of_mixing_is_named():
    alone = {"base": 0.0, "a": 0.5, "b": 0.7}
    told = {
        ("base", "a"): "answers the base with adapter 'a'",
        ("a", "base"): "answers adapter 'a' with the base",
        ("a", "b"): "answers adapter 'a' with 'b'",
    }
    for (name, instead), words in told.items():
        assert words in (fault(TOKENIZER, "base", ["a", "b"], server(alone, {name: instead})) or "")


def test_an_adapter_that_changes_nothing_is_named():
    assert "'b' served by this vLLM changes nothing" in (
        fault(TOKENIZER, "base", ["a", "b"], server({"base": 0.0, "a": 0.5, "b": 0.0})) or ""
    )


def test_a_server_that_says_nothing_of_the_tokens_asked_about_proves_nothing():
    for alone in ({"base": float("nan"), "a": 0.5}, {"base": 0.0, "a": float("nan")}):
        assert "gives no log-probabilities" in (fault(TOKENIZER, "base", ["a"], server(alone)) or "")


# --- merged because the model file says so ---


@pytest.fixture
def locals_of(tmp_path):
    """The same base and adapter, with and without `merge_adapter`."""
    folder = base(tmp_path / "base")
    tokenizer().save_pretrained(str(folder))
    lora = adapter(tmp_path / "lora", folder)

    def made(merge: bool) -> LocalModel:
        spec = ModelSpec(name="m", model=str(folder), adapter=str(lora), merge_adapter=merge)
        return LocalModel(spec, tmp_path, engine="vllm", engine_version="test")

    return made(False), made(True)


def test_an_adapter_that_could_be_served_is_merged_on_request(locals_of, tmp_path):
    free, merged = locals_of
    assert is_servable(free) and not is_servable(merged)
    backend = VllmBackend({"free": free, "merged": merged}, tmp_path, cpu=False, serve_adapters=True)
    assert [backend.record(name).adapter_mode for name in ("free", "merged")] == ["served", "merged"]


def test_answers_of_a_merged_copy_are_not_those_of_a_served_adapter(locals_of):
    free, merged = locals_of
    assert free.fingerprint != merged.fingerprint
    assert free.adapter_fingerprint == merged.adapter_fingerprint  # one merged copy, whoever asked for it


@pytest.mark.parametrize("fields", [{}, {"adapter": "a", "backend": "vllm-server", "base_url": "http://127.0.0.1:1"}])
def test_there_must_be_an_adapter_to_merge_and_weights_of_ones_own(fields):
    with pytest.raises(
        ValidationError, match="`merge_adapter` is about an `adapter` that evalkit loads itself; name one"
    ):
        ModelSpec(name="m", model="some/model", merge_adapter=True, **fields)
