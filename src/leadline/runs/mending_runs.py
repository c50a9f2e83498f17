"""A Run that mends itself: what its diagnosis proves is changed, trained anew, and kept only where held-out rows say so."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
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
)
from leadline.errors import Interrupted, LeadlineError, RunError, TrainingError
from leadline.plan import Plan
from leadline.plan.record import CHOSEN, GIVEN
from leadline.runs import folder as folders
from leadline.runs.diagnosis_file import keep_diagnosis, kept_diagnosis, readings_in, verdict_in
from leadline.runs.observer import Observer
from leadline.runs.reloading import load_for
from leadline.runs.run import Run
from leadline.runs.run_diagnosis import diagnose_run
from leadline.runs.starting import train

BEFORE = "before_mending"
"""Where the Run as it was before lies: a whole Run, to be opened as any other."""
_ANEW = "mending"
_SHARE, _LEAST = 0.15, 20.0  # of the training's time, for trials; seconds
_PARTS = ("checkpoint", BEFORE, _ANEW, ".lock")  # of a folder, that belong to no one network


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
        seconds: for trials on copies, each time; the larger of 20 and 15 % of the training's time when left out.
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
    times. The Run as it was lies in `before_mending`, a whole Run. The test rows have no say. The story is kept in
    `diagnosis.json`, and told in the report.

    Args:
        folder: of the Run, or "last".
        source: the same data again, where they were arrays.
        targets: for arrays.
        seconds: for trials; the larger of 20 and 15 % of the training's time when left out.
        observer: is told what happens.

    Errors: `RunError` for an unfinished Run; `DataError` and others of `train` for data that are gone.

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
    shutil.rmtree(path / _ANEW, ignore_errors=True)  # of a mending that was killed
    story: list[dict[str, Any]] = []
    best = path
    for _ in range(ROUNDS):
        better, more = _better(best, path / _ANEW, dataset, seconds, observer)
        story += more
        if better is None:
            break
        best = better
    for told in story:
        if told["kind"] in ("trained", "left"):
            observer.note("mending", told["text"])
    if best != path:
        _take_place(path, best)
    _keep_story(path, story)
    shutil.rmtree(path / _ANEW, ignore_errors=True)
    if folders.read_record(path)["status"] != "finished":
        return None
    run = folders.open_run(path)
    run.report()
    return run if best != path else None


def _better(
    path: Path, below: Path, dataset: Dataset, seconds: float | None, observer: Observer
) -> tuple[Path | None, list[dict[str, Any]]]:
    """The folder of a Run that is better than this one, if there is one, and what is to be told of how it was looked for."""
    diagnose_run(path, dataset, confirm=_seconds_for(path) if seconds is None else seconds, observer=observer)
    kept = kept_diagnosis(path)
    assert kept is not None
    verdict, readings = verdict_in(kept), readings_in(kept)
    story = told_seen(verdict)
    if verdict.healthy:
        observer.note("mending", story[0]["text"])
        return None, story
    story += told_trials(readings)
    if not _comparable(dataset):
        told = "Nothing was trained anew: answers of this kind are not compared row by row."
        return None, [*story, {"kind": "left", "text": told, "helped": None}]
    plan, before = folders.read_plan(path), _errors(_run_or_none(path), dataset)
    for attempt in attempts_for(verdict, readings, plan):
        observer.note("mending", f"training anew against {attempt.against}")
        place = below / str(1 + sum(1 for _ in below.glob("*")))
        try:
            run = train(dataset, _changed(plan, attempt), folder=place, observer=observer)
        except LeadlineError as error:
            if isinstance(error, Interrupted):
                raise
            story.append(told_attempt(attempt, None, measure="", failed=str(error)))
            continue
        compared = _compared(before, _errors(run, dataset), dataset, verdict)
        story.append(told_attempt(attempt, compared, measure=_measure(dataset)))
        if compared.better:
            return place, story
    return None, story if story[-1]["kind"] == "trained" else [*story, told_nothing(verdict)]


def _changed(plan: Plan, attempt: Attempt) -> Plan:
    """The Plan with the changes; what was measured for the old one is measured again."""
    own = (CHOSEN, GIVEN)
    measured = {key: "auto" for key in ("training.step", "training.layout") if plan.why.get(key) not in own}
    return plan.but(measured, why="measured anew").but(attempt.changes, why=attempt.reason)


def _seconds_for(path: Path) -> float:
    results = files.read_json(path / "results.json") if (path / "results.json").exists() else {}
    return max(_LEAST, _SHARE * float(results.get("seconds", {}).get("training", 0.0)))


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


def _take_place(path: Path, better: Path) -> None:
    """Put the files of the better Run in the place of the old ones, of which a whole copy is made first.

    Killed in between, the folder says that it is not finished, and both Runs lie below it.
    """
    record = folders.read_record(better)
    _copy_before(path)
    folders.write_record(path, "mending")
    for file in sorted(better.iterdir()):
        if file.is_file() and file.name not in ("run.json", *_PARTS):
            with files.writing(path / file.name) as written:
                written.write(file.read_bytes())
        elif file.is_dir() and file.name not in _PARTS:
            shutil.copytree(file, path / file.name, dirs_exist_ok=True)
    _rename_within(path, better)
    # Its name and when it was made stay; all that tells of the network is the new one's.
    own = {key: value for key, value in record.items() if key not in ("created", "name", "format", "leadline", "status")}
    folders.write_record(path, "finished", **own, mended=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))


def _rename_within(path: Path, better: Path) -> None:
    """Advice on what to type names the folder."""
    if (path / "results.json").exists():
        results = files.read_json(path / "results.json")
        results["next"] = [str(line).replace(str(better), str(path)) for line in results.get("next", [])]
        files.write_json(path / "results.json", results)


def _copy_before(path: Path) -> None:
    aside = path / f"{BEFORE}.part"
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(path, aside, ignore=lambda folder, names: [name for name in names if name in (*_PARTS, aside.name)])
    place = path / BEFORE
    number = 1
    while place.exists():  # mended before: that copy stays
        number += 1
        place = path / f"{BEFORE}_{number}"
    aside.rename(place)
