"""One loaded transformers model: generate for a batch, score options for a batch, give everything back."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.backends.local import (
    Tally,
    first_lines,
    is_out_of_memory,
    parts_of,
    unknown_option,
)
from evalkit.backends.quiet import quiet, without_bars
from evalkit.types import Completion, EngineError, InputError, Prepared, Usage


class TransformersEngine:
    """Loads weights on construction.

    options: `device` ("auto": CUDA where there is one), and what `from_pretrained` takes. stop_token_ids: what ends an
    answer. limit: tokens of prompt and answer together. where: the place named in errors.
    Raises InputError for an option that is not known, EngineError where loading fails.
    """

    def __init__(
        self,
        weights: Path,
        tokenizer: Any,
        options: Mapping[str, Any],
        *,
        stop_token_ids: Sequence[int],
        limit: int | None,
        where: str,
    ) -> None:
        self._tokenizer = tokenizer
        self._stops = list(stop_token_ids)
        self._limit = limit
        pad = tokenizer.pad_token_id
        self._pad = int(pad if pad is not None else next(iter(self._stops), 0))
        settings = {"dtype": "auto", **options}
        device = settings.pop("device", "auto")
        try:
            with quiet(), without_bars():
                import torch
                from transformers import AutoModelForCausalLM, GenerationConfig

                self._torch: Any = torch
                model: Any = AutoModelForCausalLM.from_pretrained(str(weights), **settings)
                if "device_map" not in settings:
                    model.to(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
        except Exception as error:  # weights, options, devices: each library raises its own
            if unknown := unknown_option(error):
                raise InputError(
                    f"{where}: engine: no option {unknown!r} here; known are device, batch_size, max_model_len and "
                    "what from_pretrained takes"
                ) from None
            kind = "out_of_memory" if is_out_of_memory(error) else "start_failed"
            hint = (
                "use a smaller dtype, another device, or `device_map: auto`"
                if kind == "out_of_memory"
                else "check the model file's `engine`: device, batch_size and what from_pretrained takes"
            )
            raise EngineError(
                f"transformers could not load {weights}: {first_lines(error)}", kind=kind, hint=hint
            ) from error
        model.eval()
        # The checkpoint's own sampling defaults stay out; what ends an answer is passed with every call.
        model.generation_config = GenerationConfig()
        self._model: Any = model
        self._keeps_last = "logits_to_keep" in inspect.signature(model.forward).parameters
        self._takes_positions = "position_ids" in inspect.signature(model.forward).parameters

    def close(self) -> None:
        """Free memory and devices."""
        self._model = None
        self.collect()

    def collect(self) -> None:
        """Return what is no longer used."""
        gc.collect()
        if self._torch.cuda.is_available():
            self._torch.cuda.empty_cache()

    def died(self, error: BaseException) -> EngineError:
        """The error for a batch that failed for another reason than memory."""
        return EngineError(f"transformers failed while generating: {first_lines(error)}")

    # --- generating ---

    def room(self, one: Prepared) -> int:
        """How many tokens an answer may have: what was asked for, or what the context leaves."""
        asked = one.request.sampling.max_tokens
        return asked if self._limit is None else min(asked, self._limit - len(one.token_ids or ()))

    def generate(self, batch: Sequence[Prepared], words: Sequence[tuple[tuple[int, ...], ...]]) -> list[Completion]:
        """Answer requests of equal sampling settings and `room`; a sampled request comes alone.

        words: for each request the token sequences it may write, empty where it is free.
        """
        from transformers import GenerationConfig

        torch, asked = self._torch, batch[0].request.sampling
        rows = [one.token_ids or () for one in batch]
        width = max(map(len, rows))
        sampled = asked.temperature > 0
        random = {"temperature": asked.temperature, "top_p": asked.top_p, "top_k": asked.top_k, "min_p": asked.min_p}
        config = GenerationConfig(
            max_new_tokens=min(self.room(one) for one in batch),
            do_sample=sampled,
            repetition_penalty=asked.repetition_penalty,
            eos_token_id=self._stops or None,
            pad_token_id=self._pad,
            stop_strings=list(asked.stop) or None,
            **(random if sampled else {}),
        )
        ids, mask = self._padded(rows)
        with quiet(), torch.inference_mode(), torch.random.fork_rng(enabled=sampled):
            if sampled:
                torch.manual_seed(asked.seed)
            written = self._model.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=config,
                tokenizer=self._tokenizer if asked.stop else None,
                prefix_allowed_tokens_fn=self._allowed(words, width) if any(words) else None,
            )
        return [self._read(one, row[width:].tolist()) for one, row in zip(batch, written, strict=True)]

    def _read(self, one: Prepared, ids: list[int]) -> Completion:
        """One row of generated ids as text, cut at what ended it: a stop token, a stop string, or the length."""
        asked, prompt_tokens = one.request.sampling, len(one.token_ids or ())
        ends = {*self._stops, self._pad}
        cut = next((place for place, token in enumerate(ids) if token in ends), None)
        count = len(ids) if cut is None else cut + 1
        text = self._tokenizer.decode(ids[:cut], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        found = [place for place in (text.find(stop) for stop in asked.stop) if place >= 0]
        if found:
            text = text[: min(found)]
        return Completion(
            text=text,
            finish_reason="stop" if found or cut is not None else "length",
            usage=Usage(prompt_tokens=prompt_tokens, completion_tokens=count),
            token_ids=tuple(ids[:count]) if one.request.keep_tokens else None,
        )

    def _allowed(self, words: Sequence[tuple[tuple[int, ...], ...]], width: int) -> Any:
        """Which tokens may follow, row by row: those that continue an allowed word, then the end."""
        everything = list(range(len(self._tokenizer)))

        def allowed(row: int, ids: Any) -> list[int]:
            if not words[row]:
                return everything
            written = tuple(ids[width:].tolist())
            fitting = [word for word in words[row] if word[: len(written)] == written]
            following = {word[len(written)] for word in fitting if len(word) > len(written)}
            return sorted(following | (set(self._stops or [self._pad]) if written in fitting or not fitting else set()))

        return allowed

    # --- scoring ---

    def choose(self, batch: Sequence[Prepared]) -> list[Completion]:
        """The log-probability of every option or span, in float32 from the model's logits."""
        torch = self._torch
        parts = [(place, part) for place, one in enumerate(batch) for part in parts_of(one)]
        tallies = [Tally(one) for one in batch]
        for start in range(0, len(parts), len(batch)):
            some = parts[start : start + len(batch)]
            ids, mask = self._padded([part.ids for _, part in some])
            keep = 1 + max(len(part.scored) for _, part in some)
            with quiet(), torch.inference_mode():
                logits = self._forward(ids, mask, keep)
                for row, (place, part) in enumerate(some):
                    scores = torch.log_softmax(logits[row, keep - 1 - len(part.scored) :].float(), dim=-1)
                    likeliest = scores.argmax(dim=-1).tolist()
                    before = sum(float(scores[step, token]) for step, token in enumerate(part.scored))
                    greedy = all(best == token for best, token in zip(likeliest, part.scored, strict=False))
                    for option, last in part.lasts:
                        logprob = before + float(scores[-1, last])
                        told = greedy and likeliest[-1] == last
                        tallies[place].add(option, logprob, greedy=told, tokens=len(part.scored) + 1)
        return [tally.completion() for tally in tallies]

    def _forward(self, ids: Any, mask: Any, keep: int) -> Any:
        """Logits of the last `keep` positions."""
        extra: dict[str, Any] = {"logits_to_keep": keep} if self._keeps_last else {}
        if self._takes_positions:
            extra["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
        return self._model(input_ids=ids, attention_mask=mask, use_cache=False, **extra).logits[:, -keep:]

    def _padded(self, rows: Sequence[tuple[int, ...]]) -> tuple[Any, Any]:
        """Ids and attention mask, padded on the left so that all rows end together."""
        width = max(map(len, rows))
        ids = [[self._pad] * (width - len(row)) + list(row) for row in rows]
        mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
        device = self._model.device
        return self._torch.tensor(ids, device=device), self._torch.tensor(mask, device=device)
