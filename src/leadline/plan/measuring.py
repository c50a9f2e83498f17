"""Measuring before the first step: which memory layout is faster here, and how long the training will take."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from typing import Any

import torch

from leadline.data.dataset import Dataset
from leadline.errors import ArgumentError, PlanError
from leadline.models import OF_UNITS
from leadline.plan.building import Built, build, precision_of
from leadline.plan.generating import check_generate_plan
from leadline.plan.populations import BuiltPopulation, build_population, reason_not_to_stack
from leadline.plan.reconstructions import check_reconstruct_plan
from leadline.plan.record import Plan
from leadline.plan.restarts import candidates
from leadline.plan.stacked_convolutions import AUTO, times_as_text, ways_as_text
from leadline.plan.tokens import check_language_plan
from leadline.plan.trees import check_tree_plan
from leadline.training import Population, Supervised, choose_device
from leadline.training.memory import fitting_rows, free_bytes
from leadline.training.steps import BEGINNING

_ROUNDS = 5
_BURST = 0.02  # seconds of steps that are timed together
_ENOUGH = 3.0  # seconds: where a step is slow, fewer rounds tell
_WORTH_RECORDING = 0.05  # seconds: what a recording saves is lost in a longer step
_REPAYS_RECORDING = 3.0  # seconds of training: recording, once to try and once to train, takes one of them and saves a third
_WORTH_COMPILING = 150.0  # seconds of training: five times what compiling a network takes
_ONE_PROGRAM = {"step": "plain", "precision": "float32"}  # what many networks in one program are always trained with

Way = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """The resolved Plan (nothing is left at "auto"), seconds a step, and seconds that the whole training should take.

    Example:
        >>> Measured(Plan(), seconds_per_step=0.002, seconds=90.0).seconds / 60
        1.5
    """

    plan: Plan
    seconds_per_step: float
    seconds: float


def measure(plan: Plan, dataset: Dataset) -> Measured:
    """Settle what "auto" leaves open, trying a few real steps in each way that could pay.

    Ways are the memory layouts; on a CPU all threads or one, since small networks lose more by sharing than they gain; the
    plain step or one that is recorded; for several networks one program or one after another. They are tried in turn, so that
    a machine that slows down slows all; the steps are thrown away. Before that, a batch that does not fit into memory is cut
    into micro-batches that do.

    Example:
        >>> from leadline import data, plan
        >>> digits = data.load("digits")
        >>> mine = {"model": "linear", "training.device": "cpu", "training.threads": 1}
        >>> measured = measure(plan.propose(digits, mine), digits)
        >>> measured.plan.training.layout, measured.seconds > measured.seconds_per_step
        ('contiguous', True)
    """
    if dataset.task == "tokens":
        check_language_plan(plan)
    if dataset.task == "trees":
        check_tree_plan(plan)
    if dataset.task == "reconstruct":
        check_reconstruct_plan(plan, dataset)
    if dataset.task == "generate":
        check_generate_plan(plan)
    asked, device = plan.training, choose_device(plan.training.device)
    precision = str(precision_of(plan.training.precision, device)).removeprefix("torch.")
    plan = _with(plan, {"device": str(device), "precision": precision})
    plan = _fitting_memory(plan, dataset, device)
    alone = candidates(plan)[0]
    chosen, seconds, built = _fastest(alone, dataset, device)
    with built.step.evaluating():
        evaluation = plan.start.networks * _timed(built.evaluate, device)
    settled = {name: getattr(chosen.training, name) for name in ("layout", "threads", "step")}
    told = {key: chosen.why[key] for key in (f"training.{name}" for name in settled) if key in chosen.why}
    plan = dataclasses.replace(_with(plan, settled), why={**plan.why, **told})
    if plan.start.networks > 1:
        # What the one program has no choice in is not a reason against it where it was left open.
        stacked = _with(plan, {name: value for name, value in _ONE_PROGRAM.items() if getattr(asked, name) == "auto"})
        plan, seconds = _together(plan, stacked, dataset, seconds)
    epoch = len(built.batches) * seconds + evaluation
    del built
    if device.type == "cuda":
        torch.cuda.empty_cache()  # or the tried networks' memory would look taken when the training asks what fits
    return Measured(plan, seconds, plan.training.epochs * epoch)


def _fitting_memory(plan: Plan, dataset: Dataset, device: torch.device) -> Plan:
    """The Plan with as many micro-batches as memory asks for, found with real steps, where that is left open."""
    if plan.training.accumulate:
        return plan
    if plan.model.name in ("perceptron", *OF_UNITS) or dataset.task in ("tokens", "trees", "generate"):
        return _with(plan, {"accumulate": 1})
    layout = "contiguous" if plan.training.layout == "auto" else plan.training.layout
    built = build(_with(candidates(plan)[0], {"accumulate": 1, "step": "plain", "layout": layout}), dataset)
    inputs, targets = next(iter(built.batches))
    batch = len(inputs)
    try:
        limit = f"{free_bytes(device) / 2**30:.1f} GiB of memory that are free"
        fitting = fitting_rows(built.step, lambda rows: (inputs[:rows], targets[:rows]), batch, device)
    except ArgumentError as error:  # this machine does not tell what its memory holds
        return dataclasses.replace(_with(plan, {"accumulate": 1}), why={**plan.why, "training.accumulate": str(error)})
    parts = math.ceil(batch / fitting)
    why = f"a whole batch of {batch:,} fits into the {limit}"
    if parts > 1:
        why = f"{fitting:,} rows of a batch of {batch:,} fit into the {limit}"
    return dataclasses.replace(_with(plan, {"accumulate": parts}), why={**plan.why, "training.accumulate": why})


def _fastest(plan: Plan, dataset: Dataset, device: torch.device) -> tuple[Plan, float, Built]:
    """The Plan of one network in the fastest way, its seconds a step, and what was built for it."""
    training = plan.training
    open_choices = {"layout": training.layout, "threads": training.threads, "step": training.step}
    first = {"step": "plain" if training.step == "auto" else training.step}
    threads = _threads(plan, device)
    ways: list[Way] = [{"layout": layout, "threads": count, **first} for layout in _layouts(plan, dataset) for count in threads]
    trials = [Trial(way, build(_with(plan, way), dataset)) for way in ways]
    _time_steps(trials)
    best = min(trials, key=lambda trial: trial.seconds)
    unrecorded = ""
    step = getattr(best.built.step, "step", best.built.step)  # that which an average wraps
    if training.step == "auto" and isinstance(step, Supervised):
        recorded, whole = [], training.epochs * len(best.built.batches) * best.seconds
        ways = _recorded(best, threads, whole, device)
        if not ways and whole <= _REPAYS_RECORDING:
            unrecorded = f"all steps together take about {whole:.2g} s, too short a time to try others"
        for way in ways:
            try:
                recorded.append(Trial(way, build(_with(plan, way), dataset)))
            except PlanError as error:
                unrecorded = str(error)
        if recorded:
            _time_steps([best, *recorded])
            trials += recorded
            best = min((best, *recorded), key=lambda trial: trial.seconds)
    plan = _with(plan, best.way)
    if len(trials) > 1:
        times = "; ".join(f"{trial} {_in_milliseconds(trial.seconds)}" for trial in trials)
        measured = {
            f"training.{name}": f"measured for a step: {times}" for name, value in open_choices.items() if value in ("auto", 0)
        }
        plan = dataclasses.replace(plan, why={**plan.why, **measured})
    if unrecorded and plan.training.step == "plain":
        plan = dataclasses.replace(plan, why={**plan.why, "training.step": unrecorded})
    torch.set_num_threads(plan.training.threads)
    assert isinstance(best.built, Built)
    return plan, best.seconds, best.built


def _recorded(plain: Trial, threads: list[int], whole: float, device: torch.device) -> list[Way]:
    """Ways to record, capture or compile the step that could be faster, for a training of this many seconds as a whole."""
    if device.type == "cpu" and whole <= _REPAYS_RECORDING:
        return []
    kinds = ["recorded"] if plain.seconds <= _WORTH_RECORDING else []
    if device.type == "cuda":
        kinds += ["captured"] if kinds else []
        kinds += ["compiled"] if whole > _WORTH_COMPILING else []
    return [{**plain.way, "step": kind, "threads": count} for kind in kinds for count in threads]


def _together(plan: Plan, stacked: Plan, dataset: Dataset, alone: float) -> tuple[Plan, float]:
    """The Plan one by one or the stacked one, whichever trains several networks, and the seconds of a step of all of them."""
    count, together = plan.start.networks, plan.start.together
    if together == "one by one":
        return plan, count * alone
    reason = reason_not_to_stack(stacked, dataset) if together == "auto" else ""
    if not reason:
        trial = Trial({}, build_population(stacked, dataset))
        _time_steps([trial])
        reason = (
            f"a step of all {count} takes {_in_milliseconds(trial.seconds)} in one program, "
            f"{_in_milliseconds(count * alone)} one by one"
        )
        if together == "stacked" or trial.seconds < count * alone:
            pairs = ((name, getattr(stacked.training, name), getattr(plan.training, name)) for name in _ONE_PROGRAM)
            different = [name for name, value, other in pairs if value != other]
            told = {f"training.{name}": "all networks are trained in one program" for name in different}
            stacked = dataclasses.replace(stacked, why={**stacked.why, **told})
            assert isinstance(trial.built, BuiltPopulation)
            return _decided(_convolving(stacked, trial.built.population), "stacked", reason), trial.seconds
    return _decided(plan, "one by one", reason), count * alone


def _in_milliseconds(seconds: float) -> str:
    """A measured time to two digits, or all those before the point: 0.46 ms, 4.2 ms, 102 ms."""
    milliseconds = 1e3 * seconds
    # The rounded number decides, or 9.96 would read 10.0.
    digits = 1 - math.floor(math.log10(float(f"{milliseconds:.1e}"))) if milliseconds > 0 else 0
    return f"{milliseconds:,.{max(0, digits)}f} ms"


def _convolving(plan: Plan, population: Population) -> Plan:
    """The Plan with the way of each convolution that its first step has measured, so that another time goes the same way."""
    if plan.start.convolutions != AUTO or not population.times:
        return plan
    start = dataclasses.replace(plan.start, convolutions=ways_as_text(population.ways, population.convolutions))
    why = times_as_text(population.times, population.count)
    return dataclasses.replace(plan, start=start, why={**plan.why, "start.convolutions": why})


def _decided(plan: Plan, together: str, why: str) -> Plan:
    if plan.start.together != "auto":
        return plan
    start = dataclasses.replace(plan.start, together=together)
    return dataclasses.replace(plan, start=start, why={**plan.why, "start.together": why})


def _layouts(plan: Plan, dataset: Dataset) -> list[str]:
    if plan.training.layout != "auto":
        return [plan.training.layout]
    convolves = len(dataset.schema.inputs.shape) == 3 and plan.model.name not in ("linear", "mlp")
    return ["contiguous", "channels_last"] if convolves else ["contiguous"]


def _threads(plan: Plan, device: torch.device) -> list[int]:
    if plan.training.threads:
        return [plan.training.threads]
    available = torch.get_num_threads()
    return [available, 1] if device.type == "cpu" and available > 1 else [available]


@dataclass
class Trial:
    """A way to train, what was built for it, and how long a step takes."""

    way: Way
    built: Built | BuiltPopulation
    seconds: float = math.inf

    def __str__(self) -> str:
        threads = self.way["threads"]
        return f"{self.way['step']}, {self.way['layout']} on {threads} thread{'s' if threads > 1 else ''}"


def _time_steps(trials: list[Trial]) -> None:
    """Find the median seconds of a step, data included, for each trial; the first round, which warms up, does not count.

    After a step of another trial caches are cold and threads asleep, which a training never sees: where steps are short, one
    that does not count goes before several that do.
    """
    taken: list[list[float]] = [[] for _ in trials]
    streams = [cycle(trial.built.batches) for trial in trials]
    began = time.perf_counter()
    for turn in range(_ROUNDS + 1):
        for trial, stream, times in zip(trials, streams, taken, strict=True):
            if "threads" in trial.way:
                torch.set_num_threads(trial.way["threads"])
            device = trial.built.device
            seconds = _timed(partial(_steps, trial.built, stream, 1), device)
            count = int(_BURST / seconds)
            if count > 1:
                seconds = _timed(partial(_steps, trial.built, stream, count), device) / count
            times.append(seconds)
        if turn and time.perf_counter() - began > _ENOUGH:
            break
    for trial, times in zip(trials, taken, strict=True):
        trial.seconds = sorted(times[1:])[(len(times) - 1) // 2]


def _steps(built: Built | BuiltPopulation, stream: Iterator[Any], count: int) -> None:
    for batch in islice(stream, count):
        built.step(batch, BEGINNING)


def _timed(action: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _with(plan: Plan, settled: dict[str, object]) -> Plan:
    return dataclasses.replace(plan, training=dataclasses.replace(plan.training, **settled))  # type: ignore[arg-type]
