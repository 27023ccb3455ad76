"""Identity is content: hashes of files, hub ids that cannot be had, and keys of completions."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.backends import fingerprint
from evalkit.backends.fingerprint import FileHashes, request_key, resolve, weight_files
from evalkit.config import ModelSpec
from evalkit.types import Constraint, InputError, Message, Request, Sampling


def test_other_content_at_the_same_path_is_another_hash(tmp_path):
    weights, hashes = tmp_path / "model.safetensors", FileHashes(tmp_path / "memory")
    weights.write_bytes(b"first")
    first = hashes.of(weights)
    weights.write_bytes(b"other")
    os.utime(weights, ns=(1, 1))
    assert hashes.of(weights) != first
    weights.write_bytes(b"first")
    assert hashes.of(weights) == first


def test_equal_content_elsewhere_is_the_same_hash(tmp_path):
    hashes = FileHashes(tmp_path / "memory")
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.safetensors").write_bytes(b"weights")
    one, two = ([tmp_path / folder / "model.safetensors"] for folder in ("one", "two"))
    assert hashes.of_all(one) == hashes.of_all(two)


def test_an_unchanged_file_is_read_once(tmp_path, monkeypatch):
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"weights")
    known = FileHashes(tmp_path / "memory").of(weights)
    monkeypatch.setattr(fingerprint, "_hash_file", lambda path: pytest.fail(f"read {path} again"))
    assert FileHashes(tmp_path / "memory").of(weights) == known


def test_safetensors_are_the_weights_where_there_are_any(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    assert [path.name for path in weight_files(tmp_path)] == ["pytorch_model.bin"]
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert [path.name for path in weight_files(tmp_path)] == ["model.safetensors"]


def spec(model: str, **more) -> ModelSpec:
    return ModelSpec(name="tuned", model=model, file="models/tuned.yaml", **more)


def test_a_missing_folder_is_named_with_its_file_and_field(tmp_path):
    with pytest.raises(InputError, match=r"models/tuned\.yaml: model: no folder '\./missing'"):
        resolve(spec("./missing", folder=str(tmp_path)), "./missing")
    with pytest.raises(InputError, match=r"models/tuned\.yaml: adapter: no folder"):
        resolve(spec("."), "/nowhere/at/all", field="adapter")


def test_a_path_is_relative_to_the_model_file(tmp_path):
    (tmp_path / "weights").mkdir()
    assert resolve(spec("weights", folder=str(tmp_path)), "weights") == tmp_path / "weights"


def test_a_hub_id_that_is_not_at_hand_offline_says_what_to_do(tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError) as caught:
        resolve(spec("owner/model"), "owner/model", revision="v2")
    message = str(caught.value)
    for part in ("models/tuned.yaml", "'owner/model'", "'v2'", "HF_HUB_OFFLINE", "hf download owner/model"):
        assert part in message


def test_a_name_no_hub_could_have_is_the_users_mistake():
    pytest.importorskip("huggingface_hub")
    with pytest.raises(InputError, match="neither a folder nor a valid hub id"):
        resolve(spec("not a/model!"), "not a/model!")


# --- keys ---

REQUEST = Request("base", "suite", "task", "1", (Message("user", "Hi"),), Sampling(temperature=0.7, seed=3), sample=1)


def key(request: Request = REQUEST, **changes) -> str:
    facts = {
        "fingerprint": "weights",
        "token_ids": (1, 2, 3),
        "option_ids": (),
        "engine": "vllm",
        "engine_version": "0.32.0",
        "engine_options": {"max_model_len": 4096, "gpu_memory_utilization": 0.9},
    }
    return request_key(request, **{**facts, **changes})


def sampled(**changes) -> Request:
    return replace(REQUEST, sampling=replace(REQUEST.sampling, **changes))


def test_the_same_question_asked_elsewhere_has_the_same_key():
    assert key(replace(REQUEST, suite="other", task="other", example_id="9", model="tuned")) == key()


@pytest.mark.parametrize(
    "changes",
    [
        {"fingerprint": "retrained"},
        {"token_ids": (1, 2, 4)},
        {"option_ids": ((1,), (2,))},
        {"engine": "transformers"},
        {"engine_version": "0.33.0"},
        {"engine_options": {"max_model_len": 4096, "kv_cache_dtype": "fp8"}},
        {"request": replace(REQUEST, sample=2)},
        {"request": replace(REQUEST, replicate=1)},
        {"request": replace(REQUEST, constraint=Constraint(choice=("yes", "no")))},
        {"request": sampled(seed=4)},
        {"request": sampled(temperature=0.8)},
        {"request": sampled(stop=("\n",))},
        {"request": sampled(max_tokens=5)},
        {"request": sampled(repetition_penalty=1.1)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_decides_the_answer_decides_the_key(changes):
    assert key(**changes) != key()


def test_what_only_places_the_work_does_not():
    assert key(engine_options={"max_model_len": 4096, "gpu_memory_utilization": 0.5, "max_num_seqs": 8}) == key()


def test_a_greedy_answer_depends_on_no_seed_and_no_sample_index():
    greedy = sampled(temperature=0.0)
    again = replace(greedy, sample=5, sampling=replace(greedy.sampling, seed=9, top_p=0.5))
    assert key(again) == key(greedy)
    assert key(replace(greedy, replicate=1)) != key(greedy)  # measuring the noise floor asks again on purpose


def test_the_log_probabilities_of_options_depend_on_no_sampling():
    options = {"option_ids": ((5,), (6,))}
    assert key(sampled(max_tokens=1, temperature=0.0), **options) == key(**options)


def test_keys_are_the_same_in_every_process():
    assert key() == "84b362c29bc9d80dccbb655326ee8fdcabf9ad55"


def test_the_hash_memory_is_shared_by_processes(tmp_path: Path):
    first, second = FileHashes(tmp_path), FileHashes(tmp_path)
    file = tmp_path / "x.bin"
    file.write_bytes(b"x")
    assert first.of(file) == second.of(file)
