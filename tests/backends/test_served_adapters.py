"""Canaries: is a base kept apart from the adapters served beside it, and each adapter from the others?"""

from types import SimpleNamespace

from evalkit.backends.served_adapters import fault

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
