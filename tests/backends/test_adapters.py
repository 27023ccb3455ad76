"""LoRA adapters on disk: what is read, what is refused, and what merging leaves behind."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evalkit.backends import open_backends
from evalkit.backends.adapters import Adapter
from evalkit.backends.quiet import quiet
from evalkit.config import ModelSpec
from evalkit.types import InputError, Silent

with quiet():
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    pytest.importorskip("peft")
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM


def base(folder: Path, *, hidden: int = 16, dtype: str = "bfloat16") -> Path:
    with quiet():
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=32,
            hidden_size=hidden,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=64,
        )
        LlamaForCausalLM(config).to(getattr(torch, dtype)).save_pretrained(str(folder))
    (folder / "tokenizer_config.json").write_text('{"from": "base"}')
    return folder


def adapter(folder: Path, of: Path, *, dora: bool = False, trained: bool = True) -> Path:
    with quiet():
        torch.manual_seed(1)
        config = LoraConfig(r=4, target_modules=["q_proj", "down_proj"], use_dora=dora, init_lora_weights=not trained)
        get_peft_model(AutoModelForCausalLM.from_pretrained(str(of)), config).save_pretrained(str(folder))
    return folder


def weights(folder: Path):
    with quiet():
        return AutoModelForCausalLM.from_pretrained(str(folder), dtype="auto")


def test_reading_an_adapter_tells_rank_and_base(tmp_path):
    model = base(tmp_path / "base")
    read = Adapter.read(adapter(tmp_path / "adapter", model), where="tuned.yaml: adapter")
    assert (read.rank, read.base, read.unservable) == (4, str(model), "")
    assert {file.name for file in read.files} >= {"adapter_config.json", "adapter_model.safetensors"}


def test_a_dora_adapter_is_known_to_need_merging(tmp_path):
    model = base(tmp_path / "base")
    assert Adapter.read(adapter(tmp_path / "dora", model, dora=True), where="t").unservable == "use_dora"


@pytest.mark.parametrize(
    "files, message",
    [
        ({}, "no adapter_config.json"),
        ({"adapter_config.json": "{"}, "not JSON"),
        ({"adapter_config.json": '{"peft_type": "IA3"}'}, "only LORA"),
        ({"adapter_config.json": '{"peft_type": "LORA", "r": 4}'}, "no adapter_model.safetensors"),
    ],
    ids=["empty", "broken", "another kind", "no weights"],
)
def test_what_is_no_lora_adapter_is_refused_with_its_place(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=rf"tuned\.yaml: adapter: .*{message}"):
        Adapter.read(tmp_path, where="tuned.yaml: adapter")


def test_an_adapter_of_another_shape_is_refused_before_anything_loads(tmp_path):
    small, large = base(tmp_path / "small"), base(tmp_path / "large", hidden=32)
    read = Adapter.read(adapter(tmp_path / "adapter", large), where="tuned.yaml: adapter")
    read.check_fits(large)
    with pytest.raises(InputError, match=r"tuned\.yaml: adapter: .*does not fit.*32.*16.*trained on .*large"):
        read.check_fits(small)


@pytest.mark.parametrize("dora", [False, True], ids=["lora", "dora"])
def test_merging_changes_the_weights_as_the_adapter_would(tmp_path, dora):
    model = base(tmp_path / "base", dtype="float32")
    folder = adapter(tmp_path / "adapter", model, dora=dora)
    merged = Adapter.read(folder, where="t").merge(model, tmp_path / "merged", Silent())
    with quiet(), torch.inference_mode():
        from peft import PeftModel

        ids = torch.arange(8)[None]
        expected = PeftModel.from_pretrained(weights(model), str(folder))(ids).logits
        torch.testing.assert_close(weights(merged)(ids).logits, expected, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(weights(model)(ids).logits, expected, atol=1e-3)


def test_the_merged_copy_keeps_the_bases_precision_and_tokenizer(tmp_path):
    model = base(tmp_path / "base")
    folder = adapter(tmp_path / "adapter", model)
    merged = Adapter.read(folder, where="t").merge(model, tmp_path / "merged", Silent())
    assert json.loads((merged / "config.json").read_text())["dtype"] == "bfloat16"
    assert (merged / "tokenizer_config.json").read_text() == '{"from": "base"}'
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == [".merged.lock"]


def test_a_tokenizer_saved_with_the_adapter_comes_along(tmp_path):
    model = base(tmp_path / "base")
    folder = adapter(tmp_path / "adapter", model)
    (folder / "tokenizer_config.json").write_text('{"from": "training"}')
    merged = Adapter.read(folder, where="t").merge(model, tmp_path / "merged", Silent())
    assert (merged / "tokenizer_config.json").read_text() == '{"from": "training"}'


def test_a_finished_copy_is_not_made_again(tmp_path):
    model = base(tmp_path / "base")
    read = Adapter.read(adapter(tmp_path / "adapter", model), where="t")
    file = read.merge(model, tmp_path / "merged", Silent()) / "model.safetensors"
    before = file.stat().st_mtime_ns
    read.merge(model, tmp_path / "merged", Silent())
    assert file.stat().st_mtime_ns == before


def test_a_merge_that_fails_leaves_nothing_behind(tmp_path):
    small, large = base(tmp_path / "small"), base(tmp_path / "large", hidden=32)
    read = Adapter.read(adapter(tmp_path / "adapter", large), where="tuned.yaml: adapter")
    with pytest.raises(InputError, match=r"tuned\.yaml: adapter: .*cannot be merged"):
        read.merge(small, tmp_path / "merged", Silent())
    left = {path.name for path in tmp_path.iterdir()} - {".merged.lock"}
    assert left == {"adapter", "large", "small"}


def test_a_quantised_base_cannot_be_merged_into(tmp_path):
    model = base(tmp_path / "base")
    read = Adapter.read(adapter(tmp_path / "adapter", model), where="t")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "awq"}}))
    with pytest.raises(InputError, match="quantised"):
        read.merge(model, tmp_path / "merged", Silent())


def test_of_several_at_once_one_merges_and_the_others_wait(tmp_path, monkeypatch):
    model = base(tmp_path / "base")
    read = Adapter.read(adapter(tmp_path / "adapter", model), where="t")
    merged, real = [], Adapter._merge_into
    monkeypatch.setattr(Adapter, "_merge_into", lambda self, *args: (merged.append(1), real(self, *args))[1])
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: read.merge(model, tmp_path / "merged", Silent()), range(4)))
    assert len(merged) == 1 and set(made) == {tmp_path / "merged"}


def test_what_cannot_be_merged_is_refused_when_the_model_is_opened(tmp_path):
    model = base(tmp_path / "base")
    lora = adapter(tmp_path / "adapter", model)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "awq"}}))
    spec = ModelSpec(name="tuned", backend="transformers", model=str(model), adapter=str(lora))
    with pytest.raises(InputError, match="quantised, and an adapter cannot be merged"):
        open_backends({"tuned": spec}, tmp_path / "cache")


def test_an_adapter_that_changes_nothing_says_so(tmp_path):
    model = base(tmp_path / "base")
    assert Adapter.read(adapter(tmp_path / "fresh", model, trained=False), where="t").changes_nothing
    assert not Adapter.read(adapter(tmp_path / "trained", model), where="t").changes_nothing
