"""The examination at the end: each check in turn, guarded, then the rules, and short trainings that prove what they say."""

from __future__ import annotations

import functools
import math
import time
import warnings
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from leadline.diagnose import trends
from leadline.diagnose.checklists import Checklist
from leadline.diagnose.checks import (
    activation_spread,
    answers_in_sight,
    drawn_codes,
    drills,
    head_fits,
    last_look,
    non_finite_places,
    numbered_classes,
    own_gradients,
    reach_in_time,
    renamed_classes,
    row_mixing,
    running_statistics,
    target_columns,
)
from leadline.diagnose.checks.batch_losses import loss_of_places
from leadline.diagnose.findings import Verdict
from leadline.diagnose.readings import Beside, Readings
from leadline.diagnose.rules.judging import judge_readings, worth_trying
from leadline.diagnose.rules.outcomes import outcome_of
from leadline.diagnose.rules.second_faults import FIRST_SHARE, may_be_two, worth_trying_beside
from leadline.diagnose.static_checks import read_simple, read_static
from leadline.diagnose.subject import Subject, undisturbed
from leadline.diagnose.trials.branching import branches
from leadline.diagnose.trials.twins import written
from leadline.plan import Plan

if TYPE_CHECKING:
    from leadline.diagnose.probing import Probe

_MATTERS = 1e-3  # of the longest gradient: an update by less may be lost in rounding, as that of a bias before batch norm


def examine(probe: Probe, *, seconds: float) -> Verdict:
    """Everything that can be known of a training after it, in this order: what it did, what it is, how good it is, why."""
    began = time.perf_counter()
    readings, subject = probe.readings, probe.subject()
    readings.unchecked[:], readings.branches[:], readings.further[:] = probe.missed, [], []
    checks = probe.checks or Checklist(readings)
    checks.give(math.inf)
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
        readings.asked = checks.run("targets over time", probe.asked, again=True) or readings.asked
        if readings.asked.places and subject.loss is not None:
            subject.loss = loss_of_places(subject.loss)
        examine_subject(subject, checks, graph_loss=probe.graph_loss)
        sight = functools.partial(answers_in_sight.read_sight, subject, in_place=probe.in_place)
        readings.sight = checks.run("answers in sight", sight, again=True) or readings.sight
        by_heart = checks.run("labels by heart", lambda: probe.looks.rows.suspicious(subject.train), again=True)
        readings.last.suspicious = by_heart or readings.last.suspicious
        if probe.unlearned and any("outputs" in each.partition(":")[0].split(", ") for each in readings.unchecked):
            readings.unchecked.append(f"how the network is called: {probe.unlearned}; say it by call=")
        verdict = judge_with_trials(subject, readings, seconds=seconds)
    readings.seconds["whole"] = time.perf_counter() - began
    return verdict


def judge_with_trials(subject: Subject, readings: Readings, *, seconds: float, plan: Plan | None = None) -> Verdict:
    """The verdict on readings, after the trials that are worth it where there is time for some."""
    if seconds > 0 and (wanted := worth_trying(readings)):
        began, checks = time.perf_counter(), Checklist(readings)
        first = seconds * (FIRST_SHARE if may_be_two(readings) else 1.0)
        run = functools.partial(branches, subject, wanted, seconds=first, readings=readings)
        readings.branches = checks.run("trials", run) or []
        left = seconds - (time.perf_counter() - began)
        if left > (1 - FIRST_SHARE) * seconds / 2 and (second := worth_trying_beside(readings)) is not None:
            change, others = second
            readings.beside_change = written(*change)
            run = functools.partial(
                branches, subject, others, seconds=left, readings=readings, beside=readings.beside_change, unchecked=[]
            )
            readings.further = checks.run("trials beside one that helps", run) or []
    return judge_readings(readings, plan)


def read_course(probe: Probe, readings: Readings) -> None:
    """What the probe heard while it trained."""
    losses, steps = probe.losses(), readings.steps
    steps.names = [name for name, _ in probe.model.named_parameters()]
    steps.sizes = [parameter.numel() for parameter in probe.model.parameters()]
    steps.matrices = [name for name, each in probe.model.named_parameters() if each.ndim > 1 and each.requires_grad]
    steps.losses = [(at * probe.stride, loss) for at, loss in trends.stretches(losses)]
    steps.rows_a_batch_sorted = trends.unmixed([each.cpu().numpy() for each in probe.batch_targets])
    steps.noise = trends.noise_between_steps(losses)
    steps.not_zeroed = probe.not_zeroed
    if probe.foreign is not None and probe.game is None:  # what a generator learns from, its rival, is none of the loss
        readings.loss_weights = probe.foreign.read()
    steps.repeated_batches = probe.kept.repeated
    samples = steps.samples
    # Of the later half: who judges in evaluation mode and does not come back from it begins in training mode.
    late = [sample for sample in samples if 2 * sample.step >= samples[-1].step]
    steps.evaluation_mode = float(np.mean([not sample.training_mode for sample in late])) if late else 0.0
    if probe.judging is not None:
        steps.judged_in_training, steps.judged_in_evaluation = probe.judging.training, probe.judging.evaluation
    steps.waiting, steps.waiting_seconds = (
        float(np.median(each)) if (each := [value for value in values if value is not None]) else None
        for values in ([sample.waited for sample in samples[2:]], [sample.waited_seconds for sample in samples[2:]])
    )
    steps.clipped, steps.clipped_to = trends.clipped_share([sample.clipped_to for sample in samples])
    later = [sample for sample in samples if any(each is not None for each in sample.update)]
    steps.not_updated = [
        name
        for at, name in enumerate(steps.names)
        if later
        and all(sample.update[at] == 0 and sample.gradient[at] > _MATTERS * _largest(sample.gradient) for sample in later)
    ]
    steps.planned_rate = _planned_rate(probe)
    broken = np.flatnonzero(~np.isfinite(losses))
    steps.non_finite_step = int(broken[0]) * probe.stride if len(broken) else None
    if (slope := trends.end_slope(losses)) is not None:
        readings.last.slope, readings.last.slope_se = slope


def _planned_rate(probe: Probe) -> float | None:
    """The highest of a schedule of one cycle, which leaves its bounds in the optimizer; others may rise to theirs unheard."""
    groups = [group for each in probe.optimizers[:1] for group in each.param_groups[:1]]
    planned = [group["max_lr"] for group in groups if {"initial_lr", "max_lr", "min_lr"} <= group.keys()]
    return float(planned[0]) if planned and isinstance(planned[0], (int, float)) else None


def _largest(norms: list[float]) -> float:
    """Of those that are numbers: a frozen weight has no gradient."""
    return max((norm for norm in norms if not math.isnan(norm)), default=0.0)


def examine_subject(
    subject: Subject, checks: Checklist, *, graph_loss: Tensor | None = None, beside: Beside | None = None
) -> None:
    """What the network, the loss and the rows say by themselves, and how good the network has become.

    Args:
        subject: what has been trained.
        checks: with the readings that are filled.
        graph_loss: the loss of a step with its graph, where the program's own loop has given one.
        beside: what simple methods reach on these rows, where it is known.
    """
    if read_static(subject, checks, graph_loss=graph_loss):
        read_simple(subject, checks, beside)
        read_trained(subject, checks)


def read_trained(subject: Subject, checks: Checklist) -> None:
    """How good the network is, what is seen inside of it, and, where it is bad, whether it could learn a few rows at all."""
    readings = checks.readings
    slope = readings.last.slope, readings.last.slope_se
    readings.last = checks.run("last step", lambda: last_look.read_last(subject), again=True) or readings.last
    readings.last.slope, readings.last.slope_se = slope
    spread = checks.run("activations", lambda: activation_spread.read_activations(subject), again=True)
    readings.activations = spread or readings.activations
    moded = readings.graph.normalizes or readings.graph.dropout > 0
    if moded and readings.steps.judged_in_training and not readings.steps.judged_in_evaluation:
        restless = checks.run("judging in training mode", lambda: last_look.read_restless(subject), again=True)
        readings.last.restless_error, readings.last.restless_error_se = restless or (None, 0.0)
    readings.last.mixing = checks.run("rows by themselves", lambda: row_mixing.read_mixing(subject), again=True)
    if readings.program.task == "other":
        readings.last.passed = checks.run("drawn codes", lambda: drawn_codes.read_passed(subject), again=True)
    stale = checks.run("running statistics", lambda: running_statistics.read_stale(subject), again=True)
    readings.last.stale_error, readings.last.stale_error_se = stale or (None, 0.0)
    columns = checks.run("targets by column", lambda: target_columns.read_target_columns(subject), again=True)
    readings.targets = columns or readings.targets
    numbers = checks.run("class numbers", lambda: numbered_classes.read_class_numbers(subject), again=True)
    readings.numbers = numbers or readings.numbers
    renamed = checks.run("numbers of held-out classes", lambda: renamed_classes.read_renamed(subject), again=True)
    readings.renamed = renamed or readings.renamed
    readings.graph.problems = checks.run("head", lambda: head_fits.head_problems(subject, readings), again=True) or []
    if readings.steps.non_finite_step is not None:
        where = checks.run("where numbers stop being finite", lambda: non_finite_places.find_place(subject), again=True)
        readings.steps.non_finite_where = where or ""
    if outcome_of(readings).bad:  # what has learned all rows can learn a few of them
        readings.drill = checks.run("one batch", lambda: drills.read_drill(subject)) or readings.drill
        readings.reach = checks.run("reach in time", lambda: reach_in_time.read_reach(subject)) or readings.reach
        own = checks.run("gradients of own functions", lambda: own_gradients.read_own_gradients(subject), again=True)
        readings.own_gradients = own or readings.own_gradients
