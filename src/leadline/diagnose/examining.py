"""The examination at the end: each check in turn, guarded, then the rules, and short trainings that prove what they say."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from leadline.diagnose import trends
from leadline.diagnose.checks import (
    answer_columns,
    drills,
    dropped_shares,
    first_look,
    head_fits,
    input_columns,
    label_looks,
    last_look,
    loss_graphs,
    non_finite_places,
    picture_fields,
    row_mixing,
    simple_methods,
    split_likeness,
    task_guess,
)
from leadline.diagnose.findings import Verdict
from leadline.diagnose.readings import Program, Readings
from leadline.diagnose.rules.judging import judge_readings, worth_trying
from leadline.diagnose.rules.outcomes import outcome_of
from leadline.diagnose.subject import Subject, first_tensor, undisturbed
from leadline.diagnose.trials.branching import branches
from leadline.plan import Plan

if TYPE_CHECKING:
    from leadline.diagnose.probing import Probe

_MATTERS = 1e-3  # of the longest gradient: an update by less may be lost in rounding, as that of a bias before batch norm


def examine(probe: Probe, *, seconds: float) -> Verdict:
    """Everything that can be known of a training after it, in this order: what it did, what it is, how good it is, why."""
    began = time.perf_counter()
    readings, subject = probe.readings, probe.subject()
    readings.unchecked[:], readings.branches[:] = probe.missed, []
    with warnings.catch_warnings(), undisturbed(subject) if subject is not None else nullcontext():
        warnings.simplefilter("ignore")  # what the person's program warns of, it has warned of before
        read_course(probe, readings)
        if probe.game is not None:
            readings.game.rival_moved = probe.game.rival_moved
            readings.steps.not_zeroed = None  # the rival's backward pass may leave gradients that are zeroed before the own one
            return judge_readings(readings)
        if subject is None:
            readings.unchecked.append("network, loss and data: there are no rows")
            return judge_readings(readings)
        examine_subject(subject, readings, graph_loss=probe.graph_loss)
        if probe.unlearned and any(each.startswith("outputs: ") for each in readings.unchecked):
            readings.unchecked.append(f"how the network is called: {probe.unlearned}; say it by call=")
        verdict = judge_with_trials(subject, readings, seconds=seconds)
    readings.seconds["whole"] = time.perf_counter() - began
    return verdict


def judge_with_trials(subject: Subject, readings: Readings, *, seconds: float, plan: Plan | None = None) -> Verdict:
    """The verdict on readings, after the trials that are worth it where there is time for some."""
    if seconds > 0 and (wanted := worth_trying(readings)):
        tried = _guarded(readings, "trials", lambda: branches(subject, wanted, seconds=seconds, readings=readings))
        readings.branches = tried or []
    return judge_readings(readings, plan)


def read_course(probe: Probe, readings: Readings) -> None:
    """What the probe heard while it trained."""
    losses, steps = probe.losses(), readings.steps
    steps.names = [name for name, _ in probe.model.named_parameters()]
    steps.sizes = [parameter.numel() for parameter in probe.model.parameters()]
    steps.losses = [(at * probe.stride, loss) for at, loss in trends.stretches(losses)]
    steps.rows_a_batch_sorted = trends.unmixed([each.cpu().numpy() for each in probe.batch_targets])
    steps.noise = trends.noise_between_steps(losses)
    steps.not_zeroed = probe.not_zeroed
    steps.repeated_batches = probe.kept.repeated
    samples = steps.samples
    steps.evaluation_mode = float(np.mean([not sample.training_mode for sample in samples])) if samples else 0.0
    waited = [sample.waited for sample in samples[2:] if sample.waited is not None]
    steps.waiting = float(np.median(waited)) if waited else None
    steps.clipped, steps.clipped_to = trends.clipped_share([sample.clipped_to for sample in samples])
    later = [sample for sample in samples if any(each is not None for each in sample.update)]
    steps.not_updated = [
        name
        for at, name in enumerate(steps.names)
        if later
        and all(sample.update[at] == 0 and sample.gradient[at] > _MATTERS * _largest(sample.gradient) for sample in later)
    ]
    broken = np.flatnonzero(~np.isfinite(losses))
    steps.non_finite_step = int(broken[0]) * probe.stride if len(broken) else None
    if (slope := trends.end_slope(losses)) is not None:
        readings.last.slope, readings.last.slope_se = slope


def _largest(norms: list[float]) -> float:
    """Of those that are numbers: a frozen weight has no gradient."""
    return max((norm for norm in norms if not math.isnan(norm)), default=0.0)


def examine_subject(subject: Subject, readings: Readings, *, graph_loss: Tensor | None = None) -> None:
    """What the network, the loss and the rows say by themselves."""

    def check(name: str, work: Callable[[], Any]) -> Any:
        return _guarded(readings, name, work)

    few = subject.train.take(slice(0, max(2, min(subject.batch, 32))))
    readings.program = _program(subject, readings)
    trained = check("network, loss and data, as the network cannot be copied", subject.trained)
    if trained is None:
        return
    if subject.loss is None:
        readings.unchecked.append("first loss, one batch by heart, and trials: the loss function is not known")
    outputs = check("outputs", lambda: subject.outputs(trained.eval(), few))
    if outputs is not None:
        subject.task, subject.classes = check(
            "task", lambda: task_guess.task_of(subject.train.targets, outputs, subject.loss, inputs=subject.train.inputs)
        ) or ("other", 0)
        readings.program.task, readings.program.classes = subject.task, subject.classes

    def graph() -> Any:
        loss = graph_loss
        if loss is None and subject.loss is not None:
            model = subject.trained().train()
            loss = subject.loss(subject.call(model, few.inputs), few.targets)
            owner: Any = model
        else:
            owner = subject.model
        if loss is None:
            raise ValueError("there is no loss to follow")
        optimizers = subject.optimizers if owner is subject.model else (subject.optimizer_for(owner),)
        return loss_graphs.read_graph(loss, owner, optimizers, loss_function=subject.loss, targets=few.targets, outputs=outputs)

    readings.graph = check("graph", graph) or readings.graph
    if readings.graph.convolutional:
        readings.graph.field_share = check(
            "receptive field", lambda: picture_fields.read_field(subject.called(subject.trained()), subject.train.inputs)
        )
    dropped = check("dropout", lambda: dropped_shares.read_dropped(subject, few))
    readings.graph.dropout = max(readings.graph.dropout, dropped or 0.0)
    readings.columns = check("inputs", lambda: input_columns.read_columns(subject.train.inputs)) or readings.columns
    readings.answers = (
        check("targets", lambda: answer_columns.read_answers(subject.train.targets, outputs, subject.train.inputs))
        or readings.answers
    )
    readings.program.layers = check("layers", lambda: first_look.read_layers(subject.fresh(), few, subject.call)) or []
    readings.first = check("first step", lambda: first_look.read_first(subject)) or readings.first
    slope = readings.last.slope, readings.last.slope_se
    readings.last = check("last step", lambda: last_look.read_last(subject)) or readings.last
    readings.last.slope, readings.last.slope_se = slope
    readings.last.mixing = check("rows by themselves", lambda: row_mixing.read_mixing(subject))
    readings.graph.problems = check("head", lambda: head_fits.head_problems(subject, readings)) or []
    if subject.task in ("classes", "labels", "number"):
        readings.beside = check("simple methods", lambda: simple_methods.read_beside(subject)) or readings.beside
    if (valid := subject.valid) is not None:
        readings.splits = check("splits", lambda: split_likeness.read_splits(subject.train, valid)) or readings.splits
    else:
        readings.unchecked.append("overfitting and the likeness of splits: there are no held-out rows")
    if subject.task == "classes":
        readings.labels = (
            check("labels", lambda: label_looks.read_labels(subject.train, subject.task, subject.classes)) or readings.labels
        )
    if readings.steps.non_finite_step is not None:
        where = check("where numbers stop being finite", lambda: non_finite_places.find_place(subject))
        readings.steps.non_finite_where = where or ""
    if outcome_of(readings).bad:  # what has learned all rows can learn a few of them
        readings.drill = check("one batch", lambda: drills.read_drill(subject)) or readings.drill


def _program(subject: Subject, readings: Readings) -> Program:
    group = subject.optimizers[0].param_groups[0] if subject.optimizers else {}
    parameters = list(subject.model.parameters())
    betas = group.get("betas")
    return Program(
        task=subject.task,
        classes=subject.classes,
        loss=getattr(subject.loss, "__name__", type(subject.loss).__name__) if subject.loss is not None else "",
        optimizer=type(subject.optimizers[0]).__name__ if subject.optimizers else "",
        rate=max((sample.rate for sample in readings.steps.samples), default=float(group.get("lr", 0.0))),
        momentum=float(group.get("momentum", betas[0] if betas else 0.0)),
        weight_decay=float(group.get("weight_decay", 0.0)),
        batch=subject.batch,
        steps=subject.steps,
        epochs=subject.steps * subject.batch / subject.rows if subject.rows else None,
        rows=subject.rows or len(subject.train),
        parameters=sum(each.numel() for each in parameters),
        trainable=sum(each.numel() for each in parameters if each.requires_grad),
        device=str(first_tensor(subject.train.inputs).device),
    )


def _guarded(readings: Readings, name: str, work: Callable[[], Any]) -> Any:
    """The result, or None where the check failed on this program: what it could not see is said in the verdict."""
    began = time.perf_counter()
    try:
        return work()
    except Exception as error:  # of a network, a loss or rows that a check does not understand
        said = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        readings.unchecked.append(f"{name}: {said}")
        return None
    finally:
        readings.seconds[name] = round(time.perf_counter() - began, 4)
