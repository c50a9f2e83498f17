"""A Run that mends itself: what its diagnosis proves is changed, trained anew, and kept only where held-out rows say so."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leadline import files
from leadline.data.answers import Classes, Labels, Numbers
from leadline.data.dataset import Dataset
from leadline.diagnose.findings import Verdict
from leadline.diagnose.mending import (
    ROUNDS,
    Attempt,
    Compared,
    attempts_for,
    compare,
    row_weights,
    told_attempt,
    told_nothing,
    told_seen,
    told_trials,
    told_uncomparable,
)
from leadline.diagnose.readings import Readings
from leadline.diagnose.rules.judging import is_suspicious
from leadline.errors import Interrupted, LeadlineError, RunError, TrainingError
from leadline.plan import Plan
from leadline.plan.record import CHOSEN, GIVEN
from leadline.runs import folder as folders
from leadline.runs.diagnosis_file import keep_diagnosis, kept_diagnosis, readings_in, verdict_in
from leadline.runs.mended_folders import take_place
from leadline.runs.observer import Observer
from leadline.runs.reloading import load_for
from leadline.runs.run import Run
from leadline.runs.run_diagnosis import diagnose_run
from leadline.runs.starting import train

_SHARE, _LEAST, _MOST = 0.15, 6.0, 20.0  # of the training's time, for trials; seconds of a short training, and of a longer one


def train_mended(
    source: Any,
    plan: Plan | None = None,
    *,
    target: str | None = None,
    targets: Any = None,
    folder: Path | str | None = None,
    changes: Mapping[str, Any] | None = None,
    seconds: float | None = None,
    observer: Observer | None = None,
) -> Run:
    """As `train`, and then `mend_run`: also where the training fails, as far as its data and its plan allow.

    Args:
        source: a name, a path, arrays, or a `data.Dataset`.
        plan: how to train; proposed when left out.
        target: the column of a table to learn.
        targets: for arrays.
        folder: where the Run goes; it must be new or empty.
        changes: choices of your own by dotted key. Mending may choose otherwise where these are what is wrong.
        seconds: for trials on copies, each time; as long as the training took when left out, but at least 6 and at most 20, or
            15 % of its time where that is more.
        observer: is told what happens.

    Errors: those of `train`; where a training that failed cannot be mended, its own error.

    Example:
        >>> import tempfile
        >>> quick = {"model": "linear", "training.threads": 1}
        >>> train_mended("iris", changes=quick, folder=tempfile.mkdtemp(), seconds=1).score > 0.8
        True
    """
    observer = observer or Observer()
    try:
        run = train(source, plan, target=target, targets=targets, folder=folder, changes=changes, observer=observer)
    except TrainingError:
        path = folders.locate("last" if folder is None else folder)
        if kept_diagnosis(path) is None:
            raise
        mended = _mend(path, source, targets, seconds, observer)
        if mended is None:
            raise
        return mended
    return _mend(run.folder, source, targets, seconds, observer) or run


def mend_run(
    folder: Path | str,
    source: Any = None,
    *,
    targets: Any = None,
    seconds: float | None = None,
    observer: Observer | None = None,
) -> Run:
    """Try to make a finished Run better where its diagnosis says why it is not, and keep it as it was where that fails.

    The change of its Plan that gains most on copies is trained anew. The new network takes the place of the old one only if it
    is less wrong on the same validation rows by more than two standard errors; then it is looked at in turn, at most three
    times. No remedy is tried a second time. The Run as it was lies in `before_mending`, a whole Run. The test rows have no say.
    The story is kept in `diagnosis.json`, and told in the report. Where nothing is suspected, and where a mended network is
    healthy, no copies are trained. Stopped or killed in between, the Run stays as it was.

    Args:
        folder: of the Run, or "last".
        source: the same data again, where they were arrays.
        targets: for arrays.
        seconds: for trials, each time; as in `train_mended`.
        observer: is told what happens.

    Errors: `RunError` for an unfinished Run; `DataError` and others of `train` for data that are gone; `Interrupted` where it
        is stopped, and `RunExistsError` while another process trains in the folder.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).normal(size=(200, 4))
        >>> quick = {"model": "linear", "training.epochs": 20, "training.threads": 1}
        >>> run = train(rows, targets=rows[:, 0] > 0, changes=quick, folder=tempfile.mkdtemp())
        >>> mend_run(run.folder, rows, targets=rows[:, 0] > 0, seconds=1).score >= run.score
        True
    """
    path = folders.locate(folder)
    folders.open_run(path)  # refuses what is unfinished or damaged
    return _mend(path, source, targets, seconds, observer or Observer()) or folders.open_run(path)


def _mend(path: Path, source: Any, targets: Any, seconds: float | None, observer: Observer) -> Run | None:
    """The mended Run; None where it stays as it is."""
    dataset = source if isinstance(source, Dataset) else load_for(folders.read_plan(path), source, targets, observer)
    with folders.locked(path):
        try:
            return _Mending(path, dataset, seconds, observer).mend()
        except (KeyboardInterrupt, Interrupted):
            shutil.rmtree(path / folders.ANEW, ignore_errors=True)
            told = "Use it as it is" if folders.read_record(path)["status"] == "finished" else "Train anew"
            raise Interrupted(
                f"Mending was stopped, and {path} is as it was before",
                do=f"{told}, or mend it in Python: leadline.runs.mend_run({str(path)!r})",
            ) from None


class _Mending:
    """One mending of a Run: what was tried already, and the story so far."""

    def __init__(self, path: Path, dataset: Dataset, seconds: float | None, observer: Observer) -> None:
        self.path, self.dataset, self.seconds, self.observer = path, dataset, seconds, observer
        self.tried: set[frozenset[str]] = set()
        self.story: list[dict[str, Any]] = []

    def mend(self) -> Run | None:
        path = self.path
        shutil.rmtree(path / folders.ANEW, ignore_errors=True)  # of a mending that was killed
        earlier = (kept_diagnosis(path) or {}).get("story") or []
        best = path
        for _ in range(ROUNDS):
            if (better := self._better(best)) is None:
                break
            best = better
        if best != path:
            take_place(path, best)
        _keep_story(path, [*earlier, *self.story])
        shutil.rmtree(path / folders.ANEW, ignore_errors=True)
        if folders.read_record(path)["status"] != "finished":
            return None
        run = folders.open_run(path)
        run.report()
        return run if best != path else None

    def _better(self, path: Path) -> Path | None:
        """The folder of a Run that is better than this one, if there is one."""
        verdict, readings = self._diagnosed(path)
        for told in told_seen(verdict, again=path != self.path):
            self._tell(told, aloud=verdict.healthy)
        if verdict.healthy:
            return None
        self.story += told_trials(readings)
        if not _comparable(self.dataset):
            self._tell(told_uncomparable())
            return None
        plan, before = folders.read_plan(path), _errors(_run_or_none(path), self.dataset)
        attempts = attempts_for(verdict, readings, plan, tried=self.tried)
        for attempt in attempts:
            if (better := self._attempt(attempt, plan, before, verdict)) is not None:
                return better
        if not attempts:
            self._tell(told_nothing(verdict))
        return None

    def _diagnosed(self, path: Path) -> tuple[Verdict, Readings]:
        """The verdict, after trials where they may be worth it: not of what is mended and healthy, nor without a suspicion."""
        kept = kept_diagnosis(path)
        if kept is not None and (verdict := verdict_in(kept)).healthy:
            readings = readings_in(kept)
            if path != self.path or readings.branches or not is_suspicious(readings):
                return verdict, readings
        diagnose_run(
            path, self.dataset, confirm=_seconds_for(path) if self.seconds is None else self.seconds, observer=self.observer
        )
        kept = kept_diagnosis(path)
        assert kept is not None
        return verdict_in(kept), readings_in(kept)

    def _attempt(self, attempt: Attempt, plan: Plan, before: Tensor, verdict: Verdict) -> Path | None:
        """The folder of a training anew, where it came to a better network."""
        self.tried.add(attempt.remedy)
        self.observer.note("mending", f"training anew against {attempt.against}")
        place = self.path / folders.ANEW / str(len(self.tried))
        try:
            run = train(self.dataset, _changed(plan, attempt), folder=place, observer=_Anew(self.observer))
        except LeadlineError as error:
            if isinstance(error, Interrupted):
                raise
            self._tell(told_attempt(attempt, None, measure="", failed=str(error)))
            return None
        compared = _compared(before, _errors(run, self.dataset), self.dataset, verdict)
        self._tell(told_attempt(attempt, compared, measure=_measure(self.dataset)))
        return place if compared.better else None

    def _tell(self, told: dict[str, Any], *, aloud: bool = True) -> None:
        self.story.append(told)
        if aloud:
            self.observer.note("mending", told["text"])


class _Anew(Observer):
    """Passes on what there is to say of a training anew, but for its data, which were told, and its own folder, which goes."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def note(self, label: str, text: str) -> None:
        if label not in ("data", "diagnosis", "before"):
            self._observer.note(label, text)

    def begin(self, total_steps: int, steps_per_epoch: int) -> None:
        self._observer.begin(total_steps, steps_per_epoch)

    def weigh(self, work: Callable[[float], float]) -> None:
        self._observer.weigh(work)

    def count_in(self, unit: str) -> None:
        self._observer.count_in(unit)

    def advance(self, step: int) -> None:
        self._observer.advance(step)

    def log(self, record: dict[str, Any]) -> None:
        self._observer.log(record)

    def end(self) -> None:
        self._observer.end()


def _changed(plan: Plan, attempt: Attempt) -> Plan:
    """The Plan with the changes; what was measured for the old one is measured again."""
    own = (CHOSEN, GIVEN)
    measured = {key: "auto" for key in ("training.step", "training.layout") if plan.why.get(key) not in own}
    return plan.but(measured, why="measured anew").but(attempt.changes, why=attempt.reason)


def _seconds_for(path: Path) -> float:
    results = files.read_json(path / "results.json") if (path / "results.json").exists() else {}
    trained = float(results.get("seconds", {}).get("training", _MOST))  # of one that failed it says nothing
    return max(_SHARE * trained, min(_MOST, max(_LEAST, trained)))


def _comparable(dataset: Dataset) -> bool:
    return isinstance(dataset.schema.answers, (Classes, Labels, Numbers)) and len(dataset.valid) > 1


def _measure(dataset: Dataset) -> str:
    return "squared error over the variance" if isinstance(dataset.schema.answers, Numbers) else "share wrong"


def _run_or_none(path: Path) -> Run | None:
    """The Run, or None where its training failed."""
    try:
        return folders.open_run(path)
    except RunError:
        return None


def _errors(run: Run | None, dataset: Dataset) -> Tensor:
    """How wrong each validation row is answered; at its worst where there is no network."""
    truth = torch.from_numpy(dataset.valid.targets)
    if run is None:
        return torch.full((len(truth),), 1.0)
    values = torch.from_numpy(run.predictor.all_values(dataset.valid.inputs))
    answers = dataset.schema.answers
    if isinstance(answers, Classes):
        return (values.argmax(1) != truth).float()
    if isinstance(answers, Labels):
        return ((values > 0.5) != (truth > 0.5)).float().reshape(len(truth), -1).mean(1)
    truth = truth.reshape(len(truth), -1).double()
    return ((values.reshape(truth.shape).double() - truth) ** 2 / truth.var(0, correction=0).clamp(min=1e-30)).mean(1).float()


def _compared(before: Tensor, after: Tensor, dataset: Dataset, verdict: Verdict) -> Compared:
    return compare(before, after, weights=row_weights(verdict, torch.from_numpy(dataset.valid.targets)))


def _keep_story(path: Path, story: Sequence[Mapping[str, Any]]) -> None:
    """Write the story beside the verdict that stands there."""
    kept = kept_diagnosis(path)
    if kept is not None:
        keep_diagnosis(path, verdict_in(kept), readings_in(kept), afterwards=bool(kept.get("afterwards")), story=story)
