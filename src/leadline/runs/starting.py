"""Training a Run from a source, and going on with one that was stopped."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from leadline import files
from leadline.data.copy_notes import about_near_copies
from leadline.data.dataset import Dataset
from leadline.data.pictures.pictures import Pictures
from leadline.errors import ArgumentError, DataError, Interrupted, LeadlineError, RunError, SourceNotFoundError
from leadline.plan import Plan, measure
from leadline.plan.corpus_plans import check_words_plan
from leadline.plan.generating import check_generate_plan
from leadline.plan.ngrams import check_ngram_plan
from leadline.plan.notes import plan_notes
from leadline.plan.pretraining import check_pretraining
from leadline.plan.restarts import candidates
from leadline.plan.transferred_networks import as_known
from leadline.plan.transferring import resolve
from leadline.runs import folder as folders
from leadline.runs.drawing_runs import fit_drawings
from leadline.runs.environment import describe_environment
from leadline.runs.failing import check_worth_resuming, write_failure
from leadline.runs.finishing import finish
from leadline.runs.ngrams import count_and_finish
from leadline.runs.observer import Observer
from leadline.runs.planning import known_early, planned
from leadline.runs.reloading import load_for, load_to_propose
from leadline.runs.restarts import Fitting
from leadline.runs.run import Run
from leadline.runs.seen_rows import about_seen_rows
from leadline.runs.solving import keep_first
from leadline.runs.telling import duration, tell_data, tell_untried
from leadline.runs.told_plans import told_plan
from leadline.runs.word_runs import fit_words
from leadline.training import History, Interruption, choose_device
from leadline.training.devices import noting_nondeterminism, preserved
from leadline.training.recorded import keeping_buffers


def train(
    source: Any,
    plan: Plan | None = None,
    *,
    target: str | None = None,
    targets: Any = None,
    folder: Path | str | None = None,
    changes: Mapping[str, Any] | None = None,
    checkpoint_every: float = 60.0,
    observer: Observer | None = None,
) -> Run:
    """From data to a trained, saved and reported network.

    Args:
        source: a name such as "digits", a path, arrays, or a `data.Dataset`; whatever `data.load` takes.
        plan: how to train; proposed for the data when left out.
        target: the column of a table to learn (several separated by commas); short for the change "data.target".
        targets: for arrays, and for data frames without them.
        folder: where the Run goes; the next free `runs/NAME-N` when left out. It must be new or empty.
        changes: choices of your own by dotted key, for instance {"training.epochs": 5, "model": "mlp"}.
        checkpoint_every: seconds between checkpoints, at most.
        observer: is told what happens.

    Errors: a `LeadlineError` says what was wrong and what to do; `Interrupted` when it was stopped (the Run can be resumed).

    Example:
        >>> import tempfile
        >>> run = train("digits", changes={"training.epochs": 2, "model": "linear"}, folder=tempfile.mkdtemp())
        >>> run.score > 0.5
        True
    """
    observer = observer or Observer()
    began = time.perf_counter()
    if plan is not None and not isinstance(plan, Plan):
        raise ArgumentError(
            "The second argument is a plan", expected="targets=… for targets, target='column' for a column of a table"
        )
    changes = {**({"data.target": target} if target else {}), **(changes or {})}
    # Whatever can be wrong before the data are read is said before they are read.
    known = known_early(plan, changes, loaded=isinstance(source, Dataset))
    candidates(known)
    choose_device(known.training.device)
    folders.check_free(folder)
    if isinstance(source, Dataset):
        dataset = source
    elif plan is None:
        dataset = load_to_propose(known, changes, source, targets, observer)
    else:
        dataset = load_for(known, source, targets, observer)
    dataset = _with_near_copies(dataset)
    tell_data(dataset, observer)
    plan = planned(known, dataset, changes, proposed=plan is None, observer=observer)
    if dataset.task == "ngram":
        check_ngram_plan(plan)
    check_pretraining(plan, dataset.schema)
    if dataset.task == "generate":
        check_generate_plan(plan)
    resolved = resolve(plan, dataset, observer.note)
    tell_untried(resolved.record, plan.training.epochs, observer)
    seen = about_seen_rows(resolved.plan.start, dataset)
    plan, dataset, seconds_expected = _with_time(resolved.plan, _with_notes(resolved.dataset, seen, observer))
    observer.note("plan", told_plan(plan, dataset))
    for note in plan_notes(plan, dataset.schema):
        observer.note("note", note)
    if seconds_expected:
        threads = "1 thread" if plan.training.threads == 1 else f"{plan.training.threads} threads"
        where = f"of training on {plan.training.device} with {threads}, or less if it stops early"
        observer.note("expected", f"about {duration(seconds_expected)} {where}")
    path = folders.create(dataset.name, folder)
    with folders.locked(path):
        seconds = round(time.perf_counter() - began, 3)
        folders.write_record(path, "training", name=dataset.name, data_seconds=seconds, seen_rows=seen)
        files.write_json(path / "plan.json", plan.to_json())
        files.write_json(path / "schema.json", dataset.schema.to_json())
        (path / "checkpoint").mkdir(exist_ok=True)
        keep_first(path, resolved)
        return _fit_and_finish(path, plan, dataset, observer, checkpoint_every, expected=seconds_expected)


def resume(
    folder: Path | str,
    source: Any = None,
    *,
    targets: Any = None,
    anyway: bool = False,
    checkpoint_every: float = 60.0,
    observer: Observer | None = None,
) -> Run:
    """Go on with a training that was stopped or killed; the weights come out as if it had not been.

    Args:
        folder: of the Run, or "last".
        source: the same data again, where they were arrays and cannot be found by their name.
        targets: for arrays.
        anyway: go on also where the training failed, so that the same steps will probably fail again.
        checkpoint_every: seconds between checkpoints, at most.
        observer: is told what happens.

    Errors: `RunError` when it is finished already, or failed for a reason that resuming does not mend; `DataError` when the
    data are no longer the same.

    Example:
        >>> import contextlib
        >>> import tempfile
        >>> import numpy as np
        >>> class Impatient(Observer):
        ...     def log(self, record: dict[str, Any]) -> None:
        ...         raise Interrupted("Stopped in the middle")
        >>> rows, folder = np.random.default_rng(0).normal(size=(60, 4)), tempfile.mkdtemp()
        >>> quick = {"model": "linear", "training.epochs": 2, "training.threads": 1}
        >>> with contextlib.suppress(Interrupted):
        ...     _ = train(rows, targets=rows[:, 0] > 0, changes=quick, folder=folder, observer=Impatient())
        >>> resume(folder, rows, targets=rows[:, 0] > 0).history["epoch"]
        [1.0, 2.0]
    """
    observer = observer or Observer()
    path = folders.locate(folder)
    _check_unfinished(path)
    if not (path / "plan.json").exists():
        raise RunError(f"The training in {path} was stopped before its plan was written", do="Train anew.")
    check_worth_resuming(path, anyway=anyway)
    plan = folders.read_plan(path)
    try:
        dataset = source if isinstance(source, Dataset) else load_for(plan, source, targets, observer)
    except SourceNotFoundError as error:
        raise SourceNotFoundError(
            f"The data that {path} is trained on are gone", expected=plan.data.source, do="Put them back, or train anew."
        ) from error
    if dataset.fingerprint() != plan.data.hash:
        raise DataError(
            f"The data of {plan.data.source} have changed since the training began",
            do="Bring back the old data, or train anew.",
        )
    dataset = _with_near_copies(dataset)
    tell_data(dataset, observer)
    seen = folders.read_record(path).get("seen_rows")
    if not isinstance(seen, list):  # killed before it was looked for, or by an older Leadline
        seen = about_seen_rows(plan.start, dataset)
    dataset = as_known(plan.start, _with_notes(dataset, seen, observer))
    with folders.locked(path):
        _check_unfinished(path)  # another process may have finished it while this one was reading
        for place in (path, *(file for file in path.glob("checkpoint/**") if file.is_dir())):
            files.sweep(place)
        folders.write_record(path, "training", failure=None)
        return _fit_and_finish(path, plan, dataset, observer, checkpoint_every)


def _with_near_copies(dataset: Dataset) -> Dataset:
    """The same Dataset, with a note on pictures that are nearly the same as others."""
    if not isinstance(dataset.schema.inputs, Pictures):
        return dataset
    parts = {"train": dataset.train, "valid": dataset.valid, "test": dataset.test}
    near = about_near_copies(parts, key=dataset.fingerprint())
    return dataclasses.replace(dataset, notes=(*dataset.notes, *near)) if near else dataset


def _with_notes(dataset: Dataset, notes: list[str], observer: Observer) -> Dataset:
    """The same Dataset with more notes, which the observer is told."""
    for note in notes:
        observer.note("note", note)
    return dataclasses.replace(dataset, notes=(*dataset.notes, *notes)) if notes else dataset


def _with_time(plan: Plan, dataset: Dataset) -> tuple[Plan, Dataset, float]:
    """The Plan with what is measured beforehand, its data, and how long the training should take; 0 where a head is solved."""
    if plan.start.solves or dataset.task == "ngram":
        return plan, dataset, 0.0
    if dataset.task == "words":
        return check_words_plan(plan), dataset, 0.0
    # How long a step takes does not depend on the weights, and those of another network are not in the Plan.
    weights = plan.start.weights if plan.start.transfers else ""
    with preserved(), keeping_buffers():
        measured = measure(_starting_from(plan, "") if weights else plan, dataset)
    return _starting_from(measured.plan, weights) if weights else measured.plan, dataset, measured.seconds


def _starting_from(plan: Plan, weights: str) -> Plan:
    return dataclasses.replace(plan, start=dataclasses.replace(plan.start, weights=weights))


def _check_unfinished(path: Path) -> None:
    if folders.read_record(path)["status"] == "finished":
        raise RunError(f"The training in {path} is finished", do=f"Use it: leadline predict {path} INPUT …")


def _fit_and_finish(
    path: Path, plan: Plan, dataset: Dataset, observer: Observer, checkpoint_every: float, *, expected: float = 0.0
) -> Run:
    if dataset.task == "ngram":
        return count_and_finish(path, plan, dataset, observer)
    interruption = Interruption()
    try:
        with preserved(), keeping_buffers(), noting_nondeterminism() as noted:
            if dataset.task == "words":
                trained = fit_words(path, plan, dataset, observer, interruption)
            elif dataset.task == "generate":
                trained = fit_drawings(path, plan, dataset, observer, interruption, every=checkpoint_every)
            else:
                listening = [interruption]
                fitting = Fitting(path, plan, dataset, observer, listening, every=checkpoint_every, expected=expected)
                trained = fitting.fit()
            files.write_json(path / "environment.json", describe_environment(trained.built.device, noted))
        history = trained.history
        if history.stopped == Interruption.REASON:
            raise Interrupted(
                f"Stopped after epoch {_epochs_done(history)} of {plan.training.epochs}, all saved in {path}",
                do=f"Go on with: leadline resume {path}",
            )
        if history.stopped and not plan.start.solves:
            observer.note("stopped", f"after epoch {_epochs_done(history)}: {history.stopped}")
        for note in history.notes:
            observer.note("note", note)
        return finish(path, plan, dataset, trained, observer)
    except KeyboardInterrupt:  # between two trainings, or while the last is judged, no callback listens
        folders.write_record(path, "interrupted")
        # What is pre-trained, or learned to judge drawings by, is kept when it is whole.
        if any(path.rglob("*.safetensors")):
            raise Interrupted(
                f"Stopped, what was trained is saved in {path}", do=f"Go on with: leadline resume {path}"
            ) from None
        raise Interrupted(
            f"Stopped before anything of {path} was learned that could be kept", do=f"Begin it again: leadline resume {path}"
        ) from None
    except LeadlineError as error:
        with suppress(OSError):  # of a disk so full that not even this can be written
            write_failure(path, error)
        raise
    finally:
        interruption.release()


def _epochs_done(history: History) -> int:
    return int(history["epoch"][-1]) if len(history) else 0
