"""A model on disk says of which architecture it is; with an adapter, its base does."""

from evalkit.backends.local import LocalModel
from evalkit.config import ModelSpec
from tests.backends.test_adapters import adapter, base
from tests.backends.test_rendering import tokenizer


def test_the_record_holds_the_checkpoints_model_type(tmp_path):
    folder = base(tmp_path / "base")
    tokenizer().save_pretrained(str(folder))
    for lora in (None, adapter(tmp_path / "lora", folder)):
        spec = ModelSpec(name="m", backend="vllm", model=str(folder), adapter=str(lora) if lora else None)
        record = LocalModel(spec, tmp_path, engine="vllm", engine_version="test").record(adapter_mode=None)
        assert record.architecture == "llama"
