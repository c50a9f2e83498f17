"""The diagnosis of data and the Plan for them, before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leadline.data.dataset import Dataset
from leadline.diagnose.before_training import RATES, SECONDS, check_subject
from leadline.diagnose.checklists import Checklist
from leadline.diagnose.findings import Verdict
from leadline.diagnose.readings import Readings
from leadline.errors import ArgumentError
from leadline.plan import Plan, build
from leadline.plan.restarts import candidates
from leadline.plan.transferring import resolve
from leadline.runs.diagnoses import ROWLESS, rows_of_both, subject_of, supervised_of
from leadline.runs.observer import Observer
from leadline.runs.planning import known_early, planned
from leadline.runs.reloading import load_for, load_to_propose
from leadline.runs.telling import tell_data
from leadline.runs.told_plans import told_plan
from leadline.training import choose_device
from leadline.training.devices import preserved
from leadline.training.recorded import keeping_buffers


@dataclass(frozen=True)
class CheckedSource:
    """What was checked, and what came of it."""

    plan: Plan
    dataset: Dataset
    verdict: Verdict
    readings: Readings


def check_source(
    source: Any,
    plan: Plan | None = None,
    *,
    targets: Any = None,
    changes: Mapping[str, Any] | None = None,
    rates: bool = False,
    observer: Observer | None = None,
) -> CheckedSource:
    """Propose a Plan, build its network, and look at it, its loss and the rows before the first step.

    Args:
        source: whatever `leadline.train` takes.
        plan: how it would be trained; proposed for the data when left out.
        targets: for arrays.
        changes: choices by dotted key.
        rates: whether to run a learning-rate range test, which takes up to 5 s more.
        observer: is told what the data and the Plan are.

    Errors: those of `leadline.train` for data and Plan; `ArgumentError` where there are no rows side by side, or no steps.

    Example:
        >>> checked = check_source("digits", changes={"model": "linear", "training.threads": 1})
        >>> checked.verdict.healthy, checked.readings.drill.error < 0.05
        (True, True)
    """
    observer, changes = observer or Observer(), changes or {}
    known = known_early(plan, changes, loaded=isinstance(source, Dataset))
    candidates(known)
    choose_device(known.training.device)
    if isinstance(source, Dataset):
        dataset = source
    elif plan is None:
        dataset = load_to_propose(known, changes, source, targets, observer)
    else:
        dataset = load_for(known, source, targets, observer)
    if dataset.task in ROWLESS:
        raise _uncheckable(f"What would be learned from is {ROWLESS[dataset.task]}")
    tell_data(dataset, observer)
    whole = planned(known, dataset, changes, proposed=plan is None, observer=observer)
    resolved = resolve(candidates(whole)[0], dataset, observer.note)
    whole, dataset = resolved.plan, resolved.dataset
    observer.note("plan", told_plan(whole, dataset))
    if whole.start.solves:
        raise _uncheckable("A head on features is solved, not trained by steps")
    with preserved(), keeping_buffers():
        built = build(whole, dataset, first=resolved.first)
        step = supervised_of(built.step)
        if step is None:
            raise _uncheckable("This is not trained by steps with a loss and an optimizer of their own")
        train, valid = rows_of_both(whole, dataset, built.device)
        subject = subject_of(whole, dataset, step, train, valid)
        readings = Readings()
        checks = Checklist(readings, seconds=SECONDS)
        verdict = check_subject(subject, checks, trials=True, rates=RATES if rates else 0.0, plan=whole)
    return CheckedSource(whole, dataset, verdict, readings)


def _uncheckable(reason: str) -> ArgumentError:
    return ArgumentError(
        f"{reason}, so that there is nothing to check before the training",
        do="Train it: leadline train …; what can be said of it is said at the end.",
    )
