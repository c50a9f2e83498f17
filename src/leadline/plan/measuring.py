"""Measuring before the first step: which memory layout is faster here, and how long the training will take."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from typing import Any

import torch

from leadline.data.dataset import Dataset
from leadline.plan.building import Built, build, precision_of
from leadline.plan.record import Plan
from leadline.training import choose_device

_ROUNDS = 5
_ENOUGH = 3.0  # seconds: where a step is slow, fewer rounds tell


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

    Ways are the memory layouts and, on a CPU, all threads or one: small networks lose more by sharing than they gain. They are
    tried in turn, so that a machine that slows down slows all; the steps are thrown away.

    Example:
        >>> from leadline import data, plan
        >>> digits = data.load("digits")
        >>> mine = {"model": "linear", "training.device": "cpu", "training.threads": 1}
        >>> measured = measure(plan.propose(digits, mine), digits)
        >>> measured.plan.training.layout, measured.seconds > measured.seconds_per_step
        ('contiguous', True)
    """
    device = choose_device(plan.training.device)
    precision = str(precision_of(plan.training.precision, device)).removeprefix("torch.")
    plan = _with(plan, {"device": str(device), "precision": precision})
    open_choices = {"layout": plan.training.layout, "threads": plan.training.threads}
    ways = [{"layout": layout, "threads": threads} for layout in _layouts(plan, dataset) for threads in _threads(plan, device)]
    trials = [(way, build(_with(plan, way), dataset)) for way in ways]
    seconds = _step_seconds(trials)
    fastest = min(range(len(ways)), key=seconds.__getitem__)
    plan = _with(plan, ways[fastest])
    if len(ways) > 1:
        times = "; ".join(
            f"{way['layout']} on {way['threads']} thread(s) {value * 1e3:.1f} ms"
            for way, value in zip(ways, seconds, strict=True)
        )
        measured = {
            f"training.{name}": f"measured for a step: {times}" for name, value in open_choices.items() if value in ("auto", 0)
        }
        plan = dataclasses.replace(plan, why={**plan.why, **measured})
    built = trials[fastest][1]
    torch.set_num_threads(plan.training.threads)
    with built.step.evaluating():
        evaluation = _timed(built.evaluate, device)
    epoch = len(built.batches) * seconds[fastest] + evaluation
    del built
    trials.clear()
    if device.type == "cuda":
        torch.cuda.empty_cache()  # or the tried networks' memory would look taken when the training asks what fits
    return Measured(plan, seconds[fastest], plan.training.epochs * epoch)


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


def _step_seconds(trials: list[tuple[dict[str, Any], Built]]) -> list[float]:
    """The median seconds of a step, data included, for each trial; the first, which warms up, does not count."""
    taken: list[list[float]] = [[] for _ in trials]
    streams = [islice(cycle(built.batches), _ROUNDS + 1) for _, built in trials]
    began = time.perf_counter()
    for turn in range(_ROUNDS + 1):
        for at, (way, built) in enumerate(trials):
            torch.set_num_threads(way["threads"])
            taken[at].append(_timed(partial(_one_step, built, streams[at]), built.device))
        if turn and time.perf_counter() - began > _ENOUGH:
            break
    return [sorted(values[1:])[(len(values) - 1) // 2] for values in taken]


def _one_step(built: Built, stream: Iterator[Any]) -> None:
    built.step(next(stream), _BEGINNING)


def _timed(action: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _with(plan: Plan, settled: dict[str, object]) -> Plan:
    return dataclasses.replace(plan, training=dataclasses.replace(plan.training, **settled))  # type: ignore[arg-type]


class _Beginning:
    """Progress of a training that has just begun."""

    step = 0
    fraction = 0.0


_BEGINNING = _Beginning()
