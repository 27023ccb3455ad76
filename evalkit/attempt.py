"""One comparison on its way: settled before an engine starts, then asked, looked at, and decided."""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.backends.fingerprint import FileHashes
from evalkit.comparing.fidelity import fidelity_cautions, reasoning_cautions
from evalkit.comparing.texts import StoredTexts
from evalkit.config import ModelSpec
from evalkit.contamination.arms import scan
from evalkit.deciding.looks import first_look, hope, in_stages, look_line
from evalkit.examining.anchors import check_anchors
from evalkit.fresh import Place, asked_in, held_back, left_out
from evalkit.inputs import Inputs
from evalkit.planning.promising import promised
from evalkit.provenance import hardware, versions
from evalkit.remembering import judge_records, merged, suite_records, with_jury, with_sampling
from evalkit.run import SCHEMA, Run, decided, new_id, with_cautions
from evalkit.running.requests import Item, draw, first_of_each_task
from evalkit.running.schedule import Collected, Schedule
from evalkit.scorers.code import check_programs
from evalkit.stored.cache import Journal, cache_folder
from evalkit.stored.records import narrow_frame
from evalkit.terms import check_terms
from evalkit.types import ARMS, INCUMBENT, Anchors, FreshFrom, Manifest, Phase, Progress


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a comparison is to do besides asking these models these suites; each as of `evalkit.run_comparison`."""

    limit: int | None = None
    seed: int = 0
    probes: bool = True
    sequential: bool = False
    fresh_from: Sequence[str | Path] = ()
    hold_out: float = 0.0
    aa: int | None = None
    command: str = ""


class Attempt:
    """One comparison. Made, it has checked everything that can be checked without an engine, and drawn its items.

    specs: of every arm. gated: suites of which a gate is held against the incumbent, with the field that says so.
    training: files that either arm was trained on, as `contamination.arms.training_files` finds them.
    since: `time.monotonic()` at which reading the files began.
    Raises InputError for what the files ask and these models, suites and judges cannot give, RunError for earlier runs that
    cannot be read.
    """

    def __init__(
        self,
        specs: Mapping[str, ModelSpec],
        inputs: Inputs,
        gated: Mapping[str, str],
        training: Mapping[str, Sequence[Path]],
        wanted: Wanted,
        progress: Progress,
        *,
        since: float,
    ) -> None:
        self._specs, self._inputs, self._gated, self._wanted, self._progress = specs, inputs, gated, wanted, progress
        without, self._fresh, cautions = self._left_out()
        self._cautions = (*cautions, *check_programs(inputs.suites), *inputs.unread)
        for caution in self._cautions:
            progress.note(caution)
        self._schedule = Schedule(specs, inputs.readers, cache_folder(), inputs.graders, inputs.executor)
        items = draw(inputs.suites, seed=wanted.seed, limit=wanted.limit, without=without)
        models = self._schedule.models
        # Whose exam lets it decide is known now that the judges' models are; what a policy may not ask is said at once.
        examined = with_jury(inputs.judge, judge_records(inputs.readers, models, {}))
        planned = suite_records(inputs, items, specs, models)
        check_terms(inputs.policy, planned, examined)
        self._promise = promised(
            inputs, items, planned, models, sequential=wanted.sequential, seed=wanted.seed, progress=progress
        )
        self._scanned = scan(inputs.suites, training, FileHashes(cache_folder()), progress)
        self._began = datetime.datetime.now(datetime.UTC)
        self._looked = first_look(inputs.policy.sequential, len(items)) if wanted.sequential else None
        if self._looked is not None and self._schedule.reloads:
            progress.note(
                f"each of the {self._looked.looks} looks loads the engines of this machine in turn: it pays where answers take "
                "far longer than loading"
            )
        self._stages = in_stages(items, self._looked.looks, seed=wanted.seed) if self._looked else [items]
        self._items: list[Item] = [item for stage in self._stages for item in stage]
        self._before = Phase("reading and planning", time.monotonic() - since)

    def _left_out(self) -> tuple[frozenset[Place], FreshFrom | None, tuple[str, ...]]:
        """The items that are not asked, as earlier runs asked them or they are held back; what the manifest keeps; cautions."""
        wanted, without = self._wanted, frozenset[Place]()
        fresh, cautions = None, ()
        if wanted.fresh_from:
            without, fresh, cautions = left_out(self._inputs.suites, asked_in(wanted.fresh_from))
        if wanted.hold_out:
            held, too_few = held_back(self._inputs.suites, wanted.hold_out, seed=wanted.seed)
            without, cautions = without | held, cautions + too_few
        return without, fresh, cautions

    def run(self) -> Run:
        """Ask everything, read the judges' old pairs anew, and decide. To be called once."""
        inputs, progress = self._inputs, self._progress
        with Journal(cache_folder() / "journal.sqlite") as journal:
            collected = self._schedule.collect(
                inputs.suites,
                self._items,
                journal,
                progress,
                probes=inputs.probes if self._wanted.probes else None,
                seed=self._wanted.seed,
                gated=self._gated,
                again=first_of_each_task(self._stages[0], self._wanted.aa or 0),
                stages=self._stages,
                decided=self._is_decided,
            )
            anchors = {
                one.name: check_anchors(one, journal, cache_folder(), progress, today=f"{self._began:%Y-%m-%d}")
                for one in inputs.readers
            }
        for _, phases in anchors.values():
            collected.phases += [dataclasses.replace(one, name=f"{one.name}: stored pairs") for one in phases]
        progress.phase("comparing and deciding")
        began = time.monotonic()
        if self._looked is not None and self._looked.stopped == "end":
            self._looked = dataclasses.replace(self._looked, look=self._looked.looks, asked=len(self._items))
        run = self._whole(collected, {name: one for name, (one, _) in anchors.items()})
        if run.decision.outcome == "inconclusive":
            run = with_cautions(run, self._promise)
        phases = (*run.manifest.phases, Phase("deciding", time.monotonic() - began))
        return dataclasses.replace(run, manifest=dataclasses.replace(run.manifest, phases=phases))

    def _is_decided(self, collected: Collected, stage: int) -> bool:
        """Look at what has come in by the end of a stage: whether the rest need not be asked."""
        looked = self._looked
        assert looked is not None
        asked = sum(len(one) for one in self._stages[: stage + 1])
        self._looked = looked = dataclasses.replace(looked, look=stage + 1, asked=asked)
        decision = self._whole(collected).decision
        if decision.complete and decision.outcome != "inconclusive":
            looked = dataclasses.replace(looked, stopped="decided")
        elif looked.futility is not None and hope(decision, self._inputs.policy.level, looked) < looked.futility:
            looked = dataclasses.replace(looked, stopped="futile")
        self._looked = looked
        self._progress.note(look_line(decision, looked))
        return looked.stopped != "end"

    def _whole(self, collected: Collected, anchors: Mapping[str, Anchors | None] | None = None) -> Run:
        """What has come in so far as a run of its own; without anchors a look, of which only the decision is wanted."""
        held = collected.records.samples(self._scanned.shares)
        frame = narrow_frame(held)
        manifest = self._manifest(collected, anchors or {})
        models = {arm: getattr(manifest, arm) for arm in (*ARMS, *([INCUMBENT] if self._gated else []))}
        said = (
            *self._cautions,
            *collected.cautions,
            *fidelity_cautions(models, frame, manifest.suites, StoredTexts(held)),
            *reasoning_cautions(models, manifest.suites),
        )
        return decided(
            dataclasses.replace(manifest, cautions=said),
            self._inputs.policy,
            held,
            None,
            frame,
            describe=anchors is not None,
            noise=anchors is not None,
        )

    def _manifest(self, collected: Collected, anchors: Mapping[str, Anchors | None]) -> Manifest:
        inputs, specs, wanted, looked = self._inputs, self._specs, self._wanted, self._looked
        models, costs = collected.models, collected.costs
        read_by = tuple(
            dataclasses.replace(record, anchors=anchors.get(record.name))
            for record in judge_records(inputs.readers, models, costs)
        )
        asked = self._items if looked is None else self._items[: looked.asked]
        graders = {one.name: one for one in inputs.graders.values()}.values()
        return Manifest(
            schema=SCHEMA,
            run_id=new_id(self._began),
            created=self._began.isoformat(timespec="seconds"),
            command=wanted.command,
            base=with_sampling(models["base"], specs["base"]),
            tuned=with_sampling(models["tuned"], specs["tuned"]),
            # Again, now that all marks were seen: a source may find that its scores are graded only then.
            suites=suite_records(inputs, asked, specs, models),
            judges=with_jury(inputs.judge, read_by),
            graders=judge_records(graders, models, costs),
            policy=inputs.policy.model_dump(mode="json"),
            versions=versions(),
            hardware=hardware(),
            seed=wanted.seed,
            limit=wanted.limit,
            phases=(self._before, *merged(collected.phases)),
            pools=inputs.pools,
            train_data=self._scanned.files,
            incumbent=with_sampling(models[INCUMBENT], specs[INCUMBENT]) if INCUMBENT in specs else None,
            aa=wanted.aa,
            sequential=looked,
            fresh_from=self._fresh,
            hold_out=wanted.hold_out,
        )
