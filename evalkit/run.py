"""A run: its evidence, and everything that follows from it under a policy."""

from __future__ import annotations

import dataclasses
import datetime
import secrets
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from evalkit.comparing.comparison import compare_records
from evalkit.comparing.noise import with_noise
from evalkit.comparing.texts import StoredTexts
from evalkit.config import PolicySpec
from evalkit.deciding.gate import decide
from evalkit.deciding.looks import as_repeated, look_level
from evalkit.report.files import write_run
from evalkit.stored.records import narrow_frame, samples_frame, verdicts_as_frame, verdicts_frame
from evalkit.stored.samples import Samples
from evalkit.terms import over_incumbent, standing, terms_of
from evalkit.types import Comparison, Decision, Manifest
from evalkit.yamlfile import validate

SCHEMA = 1


@dataclass(frozen=True)
class Run:
    """A finished run: its evidence and everything that follows from it. `folder` is None where nothing was written."""

    manifest: Manifest
    comparison: Comparison
    decision: Decision
    held: Samples
    folder: Path | None = None

    @property
    def table(self) -> pa.Table:
        """The whole table in memory, texts and verdicts too. `held` reads the columns and rows that are wanted."""
        return self.held.table()

    @property
    def samples(self) -> pd.DataFrame:
        """One row per (suite, task, id, arm, sample): prompt, text, extracted answer, gold, value, cause, failure."""
        return samples_frame(self.held)

    @property
    def verdicts(self) -> pd.DataFrame:
        """One row per verdict: suite, task, id, judge, order, winner, reason."""
        return verdicts_frame(self.held)

    @property
    def policy(self) -> PolicySpec:
        """The policy this run was decided under."""
        return validate(PolicySpec, dict(self.manifest.policy), file="manifest.json: policy")

    def write(self, folder: str | Path) -> Path:
        """Write the six files into `folder`; return the path of report.html."""
        folder = Path(folder)
        same = self.folder is not None and folder.resolve() == self.folder.resolve()
        return write_run(folder, self.comparison, self.decision, self.manifest, self.held, keep_samples=same)


def decided(
    manifest: Manifest,
    policy: PolicySpec,
    table: pa.Table | Samples,
    folder: Path | None,
    frame: pd.DataFrame | None = None,
    *,
    describe: bool = True,
    noise: bool = True,
) -> Run:
    """A run's evidence, compared and decided. frame: `narrow_frame` of the table, where it was read already.

    describe: also compute what no gate reads, drift and test-time compute. noise: also what base asked again says.
    """
    manifest = dataclasses.replace(manifest, suites=standing(manifest.suites, manifest.graders, policy))
    looked = manifest.sequential
    held = Samples.of(table)
    samples, texts = narrow_frame(held) if frame is None else frame, StoredTexts(held)
    comparison = compare_records(
        samples,
        verdicts_frame(held, reasons=False) if manifest.judges else verdicts_as_frame(()),
        manifest,
        level=policy.level if looked is None else look_level(policy.level, looked),
        pools=policy.pools,
        min_agreement=policy.judge.exam.min_agreement,
        max_unscored=policy.judge.max_unscored,
        over_incumbent=over_incumbent(policy, terms_of(manifest.suites)),
        relative=policy.retain.relative,
        describe=describe,
        texts=texts,
    )
    decision = decide(comparison, policy)
    if looked is not None:
        comparison, decision = as_repeated(comparison, decision, policy.level, looked)
    comparison = with_noise(comparison, samples, manifest, texts) if noise else comparison
    return Run(manifest, comparison, decision, held, folder)


def with_cautions(run: Run, cautions: tuple[str, ...]) -> Run:
    """The same with further cautions, which change no number. They stand where the stored run, loaded again, has them."""
    known = len(run.manifest.cautions)
    said = run.comparison.cautions
    return dataclasses.replace(
        run,
        manifest=dataclasses.replace(run.manifest, cautions=(*run.manifest.cautions, *cautions)),
        comparison=dataclasses.replace(run.comparison, cautions=(*said[:known], *cautions, *said[known:])),
    )


def new_id(began: datetime.datetime) -> str:
    """A run's name: when it began, and something by chance."""
    return f"{began:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
