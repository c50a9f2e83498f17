"""The diagnosis before the first step: what can be said of a network, a loss and rows within seconds."""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from leadline.diagnose.checklists import LATE, Checklist
from leadline.diagnose.checks import beginnings, drills, head_fits, row_mixing
from leadline.diagnose.checks.rate_sweeps import read_rates
from leadline.diagnose.findings import Verdict
from leadline.diagnose.held_out import order_kept, sampled_rows
from leadline.diagnose.kept_rows import as_rows
from leadline.diagnose.readings import Readings
from leadline.diagnose.rules.before import judge_before, worth_trying_before
from leadline.diagnose.static_checks import read_simple, read_static
from leadline.diagnose.subject import Rows, Subject, drawn_aside, undisturbed
from leadline.diagnose.trials.branching import branches
from leadline.errors import ArgumentError
from leadline.plan import Plan

SECONDS = 5.0
_BY_HEART, _BY_HEART_LEAST = 1.5, 0.3  # seconds for one batch: at most, and what is left must allow
_TRIAL_STEPS, _TRIALS_LEAST = 100, 0.5
RATES = 5.0  # seconds for the range test, which is asked for

Given = tuple[Any, Any] | Iterable[tuple[Any, Any]]


def check(
    model: nn.Module,
    rows: Given,
    *,
    loss: Callable[[Any, Any], Tensor],
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    valid: Given | None = None,
    rates: bool = False,
    batch_size: int = 32,
    seconds: float = SECONDS,
) -> Verdict:
    """What is wrong before the first step is taken, as far as one can know; the network is left as it is, to the bit.

    Looked at are the rows, the last layer and the loss, the graph (layers without activations between them, parameters that are
    reached by nothing), the first weights, the first loss and its gradients, whether rows are kept apart, dropout that does not
    ask for the mode, likeness of training and held-out rows, simple methods on the same rows, and whether a copy can learn one
    batch by heart. What is suspected and can be shown is tried on copies. No findings mean that nothing was found: how well a
    network will learn no look tells.

    Args:
        model: that is to be trained, with its first weights.
        rows: training (inputs, targets), or an iterable of such batches.
        loss: (outputs, targets) → scalar.
        optimizer: that will train it, or several; without it, what depends on it is not checked.
        valid: held-out rows, in the same form.
        rates: whether to run a learning-rate range test, which takes up to 5 s more.
        batch_size: rows a step, where the rows do not come in batches.
        seconds: for everything else; what finds no time is in `verdict.unchecked`.

    Errors: `ArgumentError` for a model without parameters, rows that are none, or a range test without an optimizer.

    Example:
        >>> from leadline.diagnose import check
        >>> _ = torch.manual_seed(0)
        >>> x = torch.randn(300, 4)
        >>> y = (x[:, 0] > 0).long()
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2), nn.Softmax(dim=1))
        >>> verdict = check(model, (x[:200], y[:200]), loss=nn.CrossEntropyLoss(), valid=(x[200:], y[200:]))
        >>> [finding.kind for finding in verdict]
        ['head_or_loss_wrong']
    """
    if not isinstance(model, nn.Module) or (first := next(model.parameters(), None)) is None:
        raise ArgumentError("There is nothing to check", expected="a torch.nn.Module with parameters", got=type(model).__name__)
    optimizers = () if optimizer is None else tuple(optimizer) if isinstance(optimizer, Sequence) else (optimizer,)
    if rates and not optimizers:
        raise ArgumentError("A range test needs an optimizer", do="Give the one that will train: optimizer=…")
    began, readings = time.perf_counter(), Readings()
    train, batch = _rows_of(rows, first.device, batch_size)
    subject = Subject(model, loss, optimizers, train, _valid_of(valid, first.device, readings), batch=batch)
    checks = Checklist(readings, seconds=seconds - (time.perf_counter() - began))
    verdict = check_subject(subject, checks, trials=True, rates=RATES if rates else 0.0)
    readings.seconds["whole"] = time.perf_counter() - began
    return verdict


def check_subject(
    subject: Subject,
    checks: Checklist,
    *,
    simple: bool = True,
    drill: bool = True,
    trials: bool = False,
    rates: float = 0.0,
    plan: Plan | None = None,
) -> Verdict:
    """The same of a subject, within the time that the list of checks has.

    Args:
        subject: what is to be trained.
        checks: the list, with the readings that are filled.
        simple: whether simple methods are fitted to the rows, also where no rule asks for them.
        drill: whether a copy learns one batch by heart.
        trials: whether suspicions are put to the proof on copies.
        rates: seconds for a range test; 0 is none.
        plan: of the training, so that remedies are changes to it.
    """
    readings, parameters = checks.readings, list(subject.model.named_parameters())
    readings.steps.names = [name for name, _ in parameters]
    readings.steps.sizes = [parameter.numel() for _, parameter in parameters]
    with warnings.catch_warnings(), undisturbed(subject):
        warnings.simplefilter("ignore")  # what the person's program warns of, it will warn of itself
        if read_static(subject, checks):
            if simple or readings.graph.linear_chains:
                read_simple(subject, checks)
            _read_beginning(subject, checks, drill=drill)
            if trials and (wanted := worth_trying_before(readings)):
                _try(subject, checks, wanted)
            if rates and subject.loss is not None and subject.optimizers:
                checks.give(max(checks.left, rates))
                readings.rates = checks.run("rates", lambda: read_rates(subject, seconds=rates)) or readings.rates
    return judge_before(readings, plan)


def _read_beginning(subject: Subject, checks: Checklist, *, drill: bool) -> None:
    """What is read before the first step only."""
    readings = checks.readings
    readings.last.mixing = checks.run("rows by themselves", lambda: row_mixing.read_mixing(subject), passes=2, again=True)
    readings.graph.problems = checks.run("head", lambda: head_fits.head_problems(subject, readings), again=True) or []
    if subject.loss is None:
        return
    # Where some values are not finite, not all rows may have them.
    most = len(subject.train) if readings.columns.non_finite or readings.answers.non_finite else 256
    finite = checks.run("first loss", lambda: beginnings.read_finite(subject, most=most), passes=max(1, most / 32))
    readings.first.finite = finite if finite is not None else readings.first.finite
    checks.run("first gradients", lambda: beginnings.read_gradients(subject, readings.first), passes=9)
    checks.run("resting units", lambda: beginnings.read_resting(subject, readings.first), passes=16)
    if drill and readings.first.finite is not False:
        seconds = min(_BY_HEART, 0.6 * checks.left)
        if seconds < _BY_HEART_LEAST:
            readings.unchecked.append(f"one batch by heart: {LATE}")
        else:
            work = functools.partial(drills.read_drill, subject, seconds=seconds)
            readings.drill = checks.run("one batch", work, passes=100) or readings.drill


def _try(subject: Subject, checks: Checklist, wanted: list[tuple[str, float | str | None]]) -> None:
    """Short trainings of copies; they end where most of the time is over."""
    if not subject.optimizers:
        checks.readings.unchecked.append("trials of what is suspected: the optimizer is not known")
    elif (seconds := 0.8 * checks.left) < _TRIALS_LEAST:
        checks.readings.unchecked.append(f"trials of what is suspected: {LATE}")
    else:
        run = functools.partial(branches, subject, wanted, seconds=seconds, steps=_TRIAL_STEPS, readings=checks.readings)
        checks.readings.branches = checks.run("trials", run, passes=300) or []


def _rows_of(given: Any, device: torch.device, batch_size: int) -> tuple[Rows, int]:
    """Some of the training rows, and how many make a step."""
    try:
        with drawn_aside(), order_kept(given):
            rows = sampled_rows(given, device)
        if rows is None or not len(rows):
            raise ValueError("no rows")
    except Exception as error:
        raise ArgumentError(
            "The training rows could not be read", expected="(inputs, targets), or batches of them", got=f"{error}"[:200]
        ) from error
    size = getattr(given, "batch_size", None)
    if isinstance(given, list):
        size = len(as_rows(given[0][0], given[0][1]))
    return rows, max(1, min(size or batch_size, len(rows)))


def _valid_of(given: Any, device: torch.device, readings: Readings) -> Rows | None:
    try:
        with drawn_aside(), order_kept(given):
            rows = sampled_rows(given, device) if given is not None else None
        return rows if rows is not None and len(rows) else None
    except Exception as error:  # of batches that are no rows side by side
        readings.unchecked.append(f"held-out rows: {error}"[:120])
        return None
