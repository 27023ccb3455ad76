"""Model folders made here: real shapes, random weights, a tokenizer of our own, an adapter that changes every answer.

big: Llama-8B-shaped, no weights (vLLM fills them in, `load_format: dummy`). small, other: Llama-1B-shaped with weights
on disk, of two seeds. adapter: rank 16 on every linear layer of small.
"""

from __future__ import annotations

import json
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.on_gpu.setup import Setup

ROOT = Path(__file__).resolve().parents[2]
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
_RANK = 16


@dataclass(frozen=True, slots=True)
class Shape:
    """A Llama's sizes. vocabulary: 0 for the tokenizer's own."""

    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int = 0


SHAPES = {"big": Shape(4096, 14336, 32, 32, 8, 128256), "small": Shape(2048, 8192, 16, 32, 8)}
TINY = {"big": Shape(576, 1536, 4, 9, 3, 50304), "small": Shape(576, 1536, 4, 9, 3)}


def measure(setup: Setup) -> None:
    """Make every folder that is not there yet."""
    shapes = TINY if setup.tiny else SHAPES
    began = time.monotonic()
    words, source = _tokenizer(setup.work / "tokenizer")
    setup.emit("tokenizer", words, "tokens", source)
    for seed, (name, shape) in enumerate(
        (("big", shapes["big"]), ("small", shapes["small"]), ("other", shapes["small"]))
    ):
        folder = setup.work / name
        if (folder / "done").exists():
            continue
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _config(folder, shape, shape.vocabulary or -(-words // 64) * 64)
        _tokenizer_of(setup.work / "tokenizer", folder, shape.vocabulary)
        if name == "big":
            _save({"none": (1,)}, folder / "model.safetensors", seed=0)
        else:
            _save(_tensors(shape, -(-words // 64) * 64), folder / "model.safetensors", seed=seed)
        (folder / "done").touch()
    _adapter(setup.work / "adapter", shapes["small"], setup.work / "small")
    size = (setup.work / "small" / "model.safetensors").stat().st_size / 1e9
    setup.emit("folders made in", time.monotonic() - began, "s", f"small: {size:.2f} GB of weights")


# --- tokenizer ---


def _tokenizer(folder: Path) -> tuple[int, str]:
    """A tokenizer in `folder`: its size, and where it is from."""
    found = ROOT / "examples" / "models" / "SmolLM2-135M-Instruct"
    folder.mkdir(parents=True, exist_ok=True)
    if all((found / name).is_file() for name in _TOKENIZER_FILES):
        for name in _TOKENIZER_FILES:
            shutil.copyfile(found / name, folder / name)
        source = "that of SmolLM2-135M-Instruct"
    else:
        _train(folder)
        source = "a byte-level BPE trained here on this project's own files"
    vocabulary = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    ids = [*vocabulary["model"]["vocab"].values(), *(one["id"] for one in vocabulary["added_tokens"])]
    return max(ids) + 1, source


def _train(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=16384,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    files = sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("*.md"), *ROOT.glob("evalkit/**/*.py")])
    tokenizer.train_from_iterator([file.read_text("utf-8") for file in files], trainer)
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")
    wrapped.save_pretrained(str(folder))


def _tokenizer_of(source: Path, folder: Path, vocabulary: int) -> None:
    """The tokenizer copied; where the model's vocabulary is larger, filled up with words that no text contains."""
    for file in source.iterdir():
        shutil.copyfile(file, folder / file.name)
    if not vocabulary:
        return
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text("utf-8"))
    words = content["model"]["vocab"]
    first = max([*words.values(), *(one["id"] for one in content["added_tokens"])]) + 1
    words.update({f"filler{id}": id for id in range(first, vocabulary)})
    path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")


# --- config and weights ---


def _config(folder: Path, shape: Shape, vocabulary: int) -> None:
    """Written by the installed transformers, in the form that its version reads."""
    from transformers import AutoTokenizer, LlamaConfig

    tokenizer = AutoTokenizer.from_pretrained(str(folder.parent / "tokenizer"))
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=8192,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        architectures=["LlamaForCausalLM"],
    )
    config.save_pretrained(str(folder))
    path = folder / "config.json"
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**content, "dtype": "bfloat16", "torch_dtype": "bfloat16"}, indent=1), "utf-8")


def _linear(shape: Shape) -> dict[str, tuple[int, int]]:
    """(rows, columns) of each linear layer of one block."""
    hidden, head = shape.hidden, shape.hidden // shape.heads
    kv = shape.kv_heads * head
    return {
        "self_attn.q_proj": (hidden, hidden),
        "self_attn.k_proj": (kv, hidden),
        "self_attn.v_proj": (kv, hidden),
        "self_attn.o_proj": (hidden, hidden),
        "mlp.gate_proj": (shape.inner, hidden),
        "mlp.up_proj": (shape.inner, hidden),
        "mlp.down_proj": (hidden, shape.inner),
    }


def _tensors(shape: Shape, vocabulary: int) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (vocabulary, shape.hidden),
        "lm_head.weight": (vocabulary, shape.hidden),
        "model.norm.weight": (shape.hidden,),
    }
    for layer in range(shape.layers):
        prefix = f"model.layers.{layer}"
        found |= {f"{prefix}.{name}.weight": size for name, size in _linear(shape).items()}
        found |= {
            f"{prefix}.{name}.weight": (shape.hidden,) for name in ("input_layernorm", "post_attention_layernorm")
        }
    return found


def _save(shapes: dict[str, tuple[int, ...]], path: Path, *, seed: int, scale: float = 0.02) -> None:
    """Random weights in bfloat16: norms are one, everything else is normal."""
    import torch
    from safetensors.torch import save_file

    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = torch.Generator(device).manual_seed(seed)

    def one(name: str, size: tuple[int, ...]) -> Any:
        if name.endswith("norm.weight"):
            return torch.ones(size, dtype=torch.bfloat16)
        made = torch.empty(size, dtype=torch.bfloat16, device=device)
        return made.normal_(0.0, scale, generator=generator).cpu()

    save_file({name: one(name, size) for name, size in shapes.items()}, str(path), metadata={"format": "pt"})


def _adapter(folder: Path, shape: Shape, base: Path) -> None:
    """A PEFT adapter whose difference is about as large as the weights it is added to."""
    if (folder / "adapter_model.safetensors").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    pairs: dict[str, tuple[int, ...]] = {}
    for layer in range(shape.layers):
        for name, (rows, columns) in _linear(shape).items():
            prefix = f"base_model.model.model.layers.{layer}.{name}"
            pairs |= {f"{prefix}.lora_A.weight": (_RANK, columns), f"{prefix}.lora_B.weight": (rows, _RANK)}
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(base),
        "r": _RANK,
        "lora_alpha": 2 * _RANK,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "target_modules": sorted({name.split(".")[-1] for name in _linear(shape)}),
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1), "utf-8")
    _save(pairs, folder / "adapter_model.safetensors", seed=7, scale=0.05)


def sentences(count: int, words: int, *, seed: int) -> list[str]:
    """Distinct texts of so many words each; short words, so that a word is about a token."""
    draw = random.Random(seed)
    known = (
        "the a of and to in is that it for was on as with by at from or an be this which one had not but what all were "
        "when we there can more if no out so up into than them only its time some could these two may then do first any "
        "now such like other how our over man me even most made after also did many before must through back years "
        "where much your way well down should because each just those people how too little state good very make world "
        "still own see men work long get here between both life being under never day same another know while last might "
        "us great old year off come since against go came right used take three apples each cost total many left sold"
    ).split()
    return [f"{number}. " + " ".join(draw.choices(known, k=words)) for number in range(count)]
