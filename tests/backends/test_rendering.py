"""How messages become tokens, on tiny tokenizers made by hand."""

from __future__ import annotations

import random

import pytest

from evalkit.backends.quiet import quiet
from evalkit.backends.rendering import Renderer
from evalkit.types import Failure, InputError, Message, Request, Sampling

with quiet():
    transformers = pytest.importorskip("transformers")
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

WORDS = [
    "<unk>",
    "<s>",
    "</s>",
    "<u>",
    "<a>",
    " ",
    "\n",
    ":",
    "Answer",
    " Answer",
    "A",
    " A",
    "B",
    " B",
    "be",
    " brief",
]
WORDS += ["Hi", " Hi", "Q", "X", " X", "sys", "01", "Jan", " Jan", "2025", " 2025", "AX", "helper"]

CHATML = (
    "{{ bos_token }}{% for m in messages %}{{ '<u>' if m.role == 'user' else '<a>' if m.role == 'assistant' else 'sys' }}"
    "{{ m.content }}{% endfor %}{% if add_generation_prompt %}<a>{% endif %}"
)
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + CHATML
DEAF_TO_SYSTEM = "{{ bos_token }}{% for m in messages if m.role != 'system' %}<u>{{ m.content }}{% endfor %}<a>"
DATED = "{{ bos_token }}{{ strftime_now('%d %b %Y') }}{% for m in messages %}<u>{{ m.content }}{% endfor %}<a>"
WITHOUT_BOS = CHATML.removeprefix("{{ bos_token }}")


def tokenizer(template: str | None = None, *, bos: bool = True):
    """One token per word, its leading space included, so that joining texts can change where tokens end."""
    core = Tokenizer(models.WordLevel({word: id for id, word in enumerate(WORDS)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(r" ?[A-Za-z0-9]+|\s|[^\sA-Za-z0-9]"), "isolated")
    core.decoder = decoders.Fuse()
    if bos:
        core.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
        )
    made = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=["<u>", "<a>"],
    )
    made.chat_template = template
    return made


def request(*turns: tuple[str, str] | str, options: tuple[str, ...] = ()) -> Request:
    messages = tuple(Message(*turn) if isinstance(turn, tuple) else Message("user", turn) for turn in turns)
    return Request("base", "suite", "task", "1", messages, Sampling(), options=options)


def words(ids: tuple[int, ...]) -> list[str]:
    return [WORDS[id] for id in ids]


def test_auto_is_chat_where_the_tokenizer_has_a_template():
    assert Renderer(tokenizer(CHATML)).format == "chat"
    assert Renderer(tokenizer()).format == "completion"
    assert Renderer(tokenizer(CHATML), format="completion").format == "completion"
    assert Renderer(tokenizer(), chat_template=CHATML).format == "chat"


def test_chat_without_a_template_is_the_users_mistake():
    with pytest.raises(InputError, match=r"tuned\.yaml: format: chat.*format: completion"):
        Renderer(tokenizer(), format="chat", where="tuned.yaml")


def test_a_template_that_writes_begin_of_text_gets_no_second_one():
    rendered = Renderer(tokenizer(CHATML)).render(request("Hi"))
    assert words(rendered.ids) == ["<s>", "<u>", "Hi", "<a>"]
    assert rendered.text == "<s><u>Hi<a>"


def test_completion_format_begins_the_text_once_and_never_ends_it():
    renderer = Renderer(tokenizer())
    assert words(renderer.render(request("Hi")).ids) == ["<s>", "Hi"]
    assert words(renderer.render(request("<s>Hi")).ids) == ["<s>", "Hi"]
    assert renderer.render(request("Hi")).text == "<s>Hi"
    assert words(Renderer(tokenizer(bos=False)).render(request("Hi")).ids) == ["Hi"]


def test_a_template_that_leaves_out_begin_of_text_is_obeyed_and_noted():
    renderer = Renderer(tokenizer(WITHOUT_BOS))
    assert words(renderer.render(request("Hi")).ids) == ["<u>", "Hi", "<a>"]
    assert any("'<s>'" in note for note in renderer.notes)
    assert Renderer(tokenizer(CHATML)).notes == ()


def test_the_models_system_prompt_stands_first_unless_the_task_has_its_own():
    renderer = Renderer(tokenizer(CHATML), system="be brief")
    assert renderer.render(request("Hi")).text == "<s>sysbe brief<u>Hi<a>"
    assert renderer.render(request(("system", "X"), "Hi")).text == "<s>sysX<u>Hi<a>"


@pytest.mark.parametrize("template", [NO_SYSTEM, DEAF_TO_SYSTEM])
def test_a_template_without_a_system_role_gets_it_in_the_first_user_turn(template):
    renderer = Renderer(tokenizer(template), system="be brief")
    assert renderer.render(request("Hi")).text == "<s><u>be brief\n\nHi<a>"
    assert any("no system role" in note for note in renderer.notes)


def test_a_template_that_asks_for_the_date_always_gets_the_same_one():
    renderer = Renderer(tokenizer(DATED))
    assert renderer.render(request("Hi")).text == "<s>01 Jan 2025<u>Hi<a>"
    assert any("frozen at 2025-01-01" in note for note in renderer.notes)


def test_worked_examples_are_turns_in_chat_and_paragraphs_in_completion():
    asked = request(("system", "be"), "Q", ("assistant", "A"), "X")
    assert Renderer(tokenizer(CHATML)).render(asked).text == "<s>sysbe<u>Q<a>A<u>X<a>"
    assert Renderer(tokenizer(bos=False)).render(asked).text == "be\n\nQ A\n\nX"


def test_an_option_follows_a_chat_prompt_directly():
    rendered = Renderer(tokenizer(CHATML)).render(request("Hi", options=("A", "B")))
    assert [words(ids) for ids in rendered.option_ids] == [["A"], ["B"]]


@pytest.mark.parametrize(
    "prompt, expected",
    [("Answer:", [" A"]), ("Answer:\n", ["A"]), ("Answer: ", ["A"])],
    ids=["after a word", "after a line break", "a space that would merge"],
)
def test_an_option_follows_a_completion_prompt_after_one_space(prompt, expected):
    rendered = Renderer(tokenizer()).render(request(prompt, options=("A",)))
    assert words(rendered.option_ids[0]) == expected


def test_an_option_that_would_change_the_prompts_own_tokens_is_tokenised_alone():
    template = "{% for m in messages %}<u>{{ m.content }}{% endfor %}<a>A"  # "AX" is one word here
    rendered = Renderer(tokenizer(template)).render(request("Hi", options=("X",)))
    assert words(rendered.ids) == ["<u>", "Hi", "<a>", "A"]
    assert words(rendered.option_ids[0]) == ["X"]


def test_a_longer_option_keeps_all_its_tokens():
    rendered = Renderer(tokenizer(CHATML)).render(request("Hi", options=("A X", "A B")))
    assert [words(ids) for ids in rendered.option_ids] == [["A", " X"], ["A", " B"]]


def trained(*, words_apart: bool):
    """A BPE tokenizer over bytes; words_apart: no token reaches across a word's start, as in most models of today."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=words_apart)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(
        ["Question: which one\nAnswer: A\n\nQuestion: a b\nAnswer: B\n\n" * 3, "one two\n\n three"], trainer
    )
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="</s>")


@pytest.mark.parametrize("words_apart", [True, False])
def test_options_have_the_tokens_that_they_have_after_the_whole_prompt(words_apart):
    made = trained(words_apart=words_apart)
    renderer = Renderer(made)
    draw = random.Random(1)
    pieces = [
        "Question: ",
        "which",
        " one",
        "\n",
        "\n\n",
        " ",
        "Answer:",
        " A",
        "B",
        ":",
        "two",
        "  \n",
        "é",
        "\n three",
    ]
    for _ in range(400):
        prompt = "".join(draw.choices(pieces, k=draw.randrange(1, 12)))
        options = tuple("".join(draw.choices(pieces, k=2)).strip() or "A" for _ in range(3))
        rendered = renderer.render(request(prompt, options=options))
        alone = made.encode(rendered.text)
        for option, ids in zip(options, rendered.option_ids, strict=True):
            spaced = option if rendered.text[-1:].isspace() else f" {option}"
            joined = made.encode(rendered.text + spaced)
            kept = joined[: len(alone)] == alone
            assert list(ids) == (joined[len(alone) :] if kept else made.encode(spaced)), (prompt, option)


def test_a_long_prompt_is_tokenised_once_whatever_its_options():
    made = trained(words_apart=True)
    renderer, seen = Renderer(made), []
    encode = made.encode
    made.encode = lambda text, **more: seen.append(text) or encode(text, **more)
    for number in range(3):
        renderer.render(request("one two\n" * 50 + f"Question: {number}\nAnswer:", options=("A", "B", "C", "D")))
    assert [len(text) > 100 for text in seen].count(True) == 3
    assert len(seen) == 3 + len({"Answer:", "Answer: A", "Answer: B", "Answer: C", "Answer: D"})


def test_a_prompt_that_leaves_no_room_for_an_answer_is_a_failure_that_says_by_how_much():
    renderer = Renderer(tokenizer(CHATML), limit=4, where="tuned.yaml")
    failure = renderer.render(request("Hi"))
    assert isinstance(failure, Failure) and (failure.kind, failure.where) == ("prompt_too_long", "tuned.yaml")
    assert "4 tokens" in failure.message and "5" in failure.message and "engine.max_model_len" in failure.hint
    assert not isinstance(Renderer(tokenizer(CHATML), limit=5).render(request("Hi")), Failure)


def test_a_template_that_fails_fails_one_item_with_its_own_words():
    template = "{% if messages[0].content == 'X' %}{{ raise_exception('never X') }}{% endif %}" + CHATML
    renderer = Renderer(tokenizer(template))
    failure = renderer.render(request("X"))
    assert isinstance(failure, Failure) and failure.kind == "template" and "never X" in failure.message
    assert not isinstance(renderer.render(request("Hi")), Failure)


def test_the_template_hash_tells_templates_and_their_settings_apart():
    hashes = {
        Renderer(tokenizer(CHATML)).template_hash,
        Renderer(tokenizer(CHATML), chat_template=DATED).template_hash,
        Renderer(tokenizer(CHATML), chat_template_kwargs={"enable_thinking": False}).template_hash,
        Renderer(tokenizer()).template_hash,
    }
    assert len(hashes) == 4 and None in hashes
    assert Renderer(tokenizer(CHATML)).template_hash == Renderer(tokenizer(CHATML)).template_hash


def test_template_settings_reach_the_template():
    template = "{{ bos_token }}{% if helper %}helper{% endif %}{% for m in messages %}<u>{{ m.content }}{% endfor %}"
    rendered = Renderer(tokenizer(template), chat_template_kwargs={"helper": True}).render(request("Hi"))
    assert words(rendered.ids) == ["<s>", "helper", "<u>", "Hi"]
