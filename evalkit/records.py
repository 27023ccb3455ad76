"""Records: what every model answered and how it was marked, as columns; and the verdicts on it.

One row per (suite, task, id, arm, sample). `samples.parquet` holds exactly this table; verdicts ride along as a list
on the tuned arm's first sample, so that one file is the whole evidence of a run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from evalkit.types import ARMS, INCUMBENT, PROBES, Completion, Example, Failure, Prepared, RunError, Score, Verdict

_VERDICT = pa.struct(
    [
        ("judge", pa.string()),
        ("order", pa.string()),
        ("winner", pa.string()),
        ("score", pa.float64()),
        ("reason", pa.string()),
        ("failure", pa.string()),
        ("repeat", pa.int32()),
        ("base_grade", pa.float64()),
        ("tuned_grade", pa.float64()),
        ("mass", pa.float64()),
        ("detail", pa.string()),
    ]
)

SCHEMA = pa.schema(
    [
        ("suite", pa.dictionary(pa.int32(), pa.string())),
        ("task", pa.dictionary(pa.int32(), pa.string())),
        ("id", pa.string()),
        ("arm", pa.dictionary(pa.int32(), pa.string())),
        ("sample", pa.int32()),
        ("group", pa.string()),
        ("slices", pa.dictionary(pa.int32(), pa.string())),  # a JSON object of strings; null: none
        ("metric", pa.dictionary(pa.int32(), pa.string())),
        ("value", pa.float64()),  # null: never answered
        ("cause", pa.dictionary(pa.int32(), pa.string())),
        ("answer", pa.string()),  # extracted
        ("gold", pa.string()),
        # Texts of a large run pass the 2 GiB that `string` can address.
        ("prompt", pa.large_string()),
        ("text", pa.large_string()),
        ("reasoning", pa.large_string()),
        ("finish_reason", pa.dictionary(pa.int32(), pa.string())),
        ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()),
        ("logprobs", pa.list_(pa.float64())),
        ("failure", pa.dictionary(pa.int32(), pa.string())),  # kind
        ("failure_message", pa.string()),
        ("failure_hint", pa.string()),
        ("key", pa.string()),
        ("overlap", pa.float64()),  # share of the item that stands in this arm's training data; null: unknown
        ("verdicts", pa.list_(_VERDICT)),
    ]
)

# Columns that tables of earlier versions lack. What was not looked up then is unknown, which is what null says.
_LATER = ("overlap", "slices")

_CHUNK = 8192
_VERDICT_COLUMNS = ["suite", "task", "id", "judge", "order", "winner", "score", "reason", "failure"]
_VERDICT_COLUMNS += ["repeat", "base_grade", "tuned_grade", "mass", "detail"]


def whole_characters(text: str) -> str:
    """The text with halves of characters replaced: a broken output can hold them, and no tokenizer or table can."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _kept(text: str | None) -> str | None:
    return None if text is None else whole_characters(text)


class Records:
    """Append samples and verdicts as they land; read them as pandas frames."""

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []
        self._rows: list[dict[str, object]] = []
        self._verdicts: list[Verdict] = []

    def add(
        self,
        suite: str,
        task: str,
        arm: str,
        sample: int,
        example: Example,
        completion: Completion | None,
        score: Score,
        prepared: Prepared | None = None,
    ) -> None:
        """Record one scored completion. `prepared` is None where no prompt could be rendered.

        completion: None where only what a judge said of it is at hand: the text is unknown then, not empty.
        """
        failure = score.failure or (completion.failure if completion else None)
        self._rows.append(
            {
                "suite": suite,
                "task": task,
                "id": example.id,
                "arm": arm,
                "sample": sample,
                "group": example.group,
                "slices": _kept(json.dumps(dict(example.slices), sort_keys=True, ensure_ascii=False))
                if example.slices
                else None,
                "metric": score.metric,
                "value": score.value,
                "cause": score.cause,
                "answer": _kept(score.answer),
                "gold": _kept(example.answer),
                "prompt": _kept(prepared.prompt) if prepared else None,
                "text": _kept(completion.text) if completion else None,
                "reasoning": _kept(completion.reasoning) if completion else None,
                "finish_reason": completion.finish_reason if completion else None,
                "prompt_tokens": completion.usage.prompt_tokens if completion else None,
                "completion_tokens": completion.usage.completion_tokens if completion else None,
                "logprobs": list(completion.logprobs) if completion and completion.logprobs is not None else None,
                "failure": failure.kind if failure else None,
                "failure_message": failure.message if failure else None,
                "failure_hint": failure.hint if failure else None,
                "key": prepared.key if prepared else None,
            }
        )
        if len(self._rows) >= _CHUNK:
            self._flush()

    def add_verdict(self, verdict: Verdict) -> None:
        """Record one verdict."""
        self._verdicts.append(verdict)

    def __len__(self) -> int:
        return sum(table.num_rows for table in self._tables) + len(self._rows)

    def _flush(self) -> None:
        if self._rows:
            self._tables.append(pa.Table.from_pylist(self._rows, schema=SCHEMA))
            self._rows = []

    def table(self) -> pa.Table:
        """All samples in a fixed order (suite, task, id, sample, arm), verdicts attached."""
        self._flush()
        table = pa.concat_tables(self._tables) if self._tables else SCHEMA.empty_table()
        # Sorted, and with words numbered as they come, the file does not depend on the order in which answers landed.
        coded = [field.name for field in SCHEMA if pa.types.is_dictionary(field.type)]
        for name in coded:
            table = table.set_column(SCHEMA.get_field_index(name), name, table[name].cast(pa.string()))
        by = [(name, "ascending") for name in ("suite", "task", "id", "sample", "arm")]
        table = table.sort_by(by)
        for name in coded:
            encoded = table[name].dictionary_encode().cast(SCHEMA.field(name).type)
            table = table.set_column(SCHEMA.get_field_index(name), SCHEMA.field(name), encoded)
        return self._with_verdicts(table)

    def _with_verdicts(self, table: pa.Table) -> pa.Table:
        if not self._verdicts:
            return table
        by_item: dict[tuple[str, str, str], list[dict[str, object]]] = {}
        for verdict in sorted(self._verdicts, key=lambda v: (v.judge, v.order, v.repeat)):
            row = {
                "judge": verdict.judge,
                "order": verdict.order,
                "winner": verdict.winner,
                "score": verdict.score,
                "reason": verdict.reason,
                "failure": _describe(verdict.failure),
                "repeat": verdict.repeat,
                "base_grade": verdict.base_grade,
                "tuned_grade": verdict.tuned_grade,
                "mass": verdict.mass,
                "detail": verdict.detail,
            }
            by_item.setdefault((verdict.suite, verdict.task, verdict.example_id), []).append(row)
        columns = (table[name].to_pylist() for name in ("suite", "task", "id", "arm", "sample"))
        attached = [
            by_item.get((suite, task, id_)) if arm == "tuned" and sample == 0 else None
            for suite, task, id_, arm, sample in zip(*columns, strict=True)
        ]
        place = table.schema.get_field_index("verdicts")
        return table.set_column(place, SCHEMA.field("verdicts"), pa.array(attached, type=pa.list_(_VERDICT)))


def _describe(failure: Failure | None) -> str | None:
    return f"{failure.kind}: {failure.message}" if failure else None


def with_overlaps(table: pa.Table, shares: Mapping[str, Mapping[tuple[str, str, str], float | None]]) -> pa.Table:
    """The table with the column `overlap` filled. shares: by arm, then by (suite, task, id)."""
    columns = (table[name].to_pylist() for name in ("suite", "task", "id", "arm"))
    none: dict[tuple[str, str, str], float | None] = {}
    values = [shares.get(arm, none).get((suite, task, id_)) for suite, task, id_, arm in zip(*columns, strict=True)]
    field = SCHEMA.field("overlap")
    return table.set_column(table.schema.get_field_index("overlap"), field, pa.array(values, type=field.type))


def of_both_arms(table: pa.Table) -> pa.Table:
    """The samples of base and tuned, without those of an incumbent that judges held against tuned."""
    return table.filter(pc.field("arm").cast(pa.string()).isin(list(ARMS)))


def with_incumbent(table: pa.Table) -> pa.Table:
    """The samples of base, tuned and the incumbent."""
    return table.filter(pc.field("arm").cast(pa.string()).isin([*ARMS, INCUMBENT]))


def seen_as(samples: pd.DataFrame, base: str, tuned: str) -> pd.DataFrame:
    """The samples of two arms alone, called base and tuned: another pair, for the same functions."""
    mine = samples.loc[samples["arm"].isin([base, tuned]), :]
    return mine.assign(arm=mine["arm"].astype(str).map({base: "base", tuned: "tuned"}))


def samples_frame(table: pa.Table) -> pd.DataFrame:
    """The samples as a pandas frame, one row per (suite, task, id, arm, sample), without verdicts."""
    return table.drop_columns(["verdicts"]).to_pandas()


def without_probes(table: pa.Table) -> pa.Table:
    """The samples that suites asked for, without what was measured beside them."""
    return table.filter(pc.field("suite").cast(pa.string()) != PROBES)


def verdicts_as_frame(verdicts: Iterable[Verdict]) -> pd.DataFrame:
    """Verdicts that stand in no table, with the columns of `verdicts_frame`."""
    rows = [{**asdict(one), "id": one.example_id, "failure": _describe(one.failure)} for one in verdicts]
    return pd.DataFrame(rows, columns=pd.Index(_VERDICT_COLUMNS))


def verdicts_frame(table: pa.Table) -> pd.DataFrame:
    """The verdicts as a pandas frame: suite, task, id, and the fields of a verdict; what older tables lack is empty.

    winner is "base", "tuned", "tie", or None where the reply could not be read.
    """
    rows: list[dict[str, object]] = []
    held = table.filter(table["verdicts"].is_valid()).select(["suite", "task", "id", "verdicts"])
    for row in held.to_pylist():
        item = {"suite": row["suite"], "task": row["task"], "id": row["id"]}
        rows += [{**item, **verdict} for verdict in row["verdicts"]]
    frame = pd.DataFrame(rows, columns=_VERDICT_COLUMNS)
    # Tables of earlier versions hold one reading of each question, and neither grades nor masses.
    frame["repeat"] = frame["repeat"].fillna(0).astype(int)
    for name in ("score", "base_grade", "tuned_grade", "mass"):
        frame[name] = frame[name].astype(float)
    return frame


def write_table(table: pa.Table, path: Path) -> None:
    """Write `samples.parquet`; the caller makes it atomic."""
    pq.write_table(table, path, compression="zstd")


def read_table(path: Path) -> pa.Table:
    """Read `samples.parquet`. Raises RunError when it is missing, unreadable or of another schema."""
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; is this the folder of a finished run?") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise RunError(f"{path}: not a readable Parquet file: {error}") from None
    missing = [name for name in SCHEMA.names if name not in table.column_names]
    lost = [name for name in missing if name not in _LATER]
    if lost:
        raise RunError(f"{path}: lacks column {lost[0]!r}; written by another version of evalkit?")
    for name in missing:
        field = SCHEMA.field(name)
        table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table.select(SCHEMA.names) if missing else table
