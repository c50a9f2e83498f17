"""A race to a score: trainings in turn, each timed, judged, kept and written, none begun that would not end in time.

Part of `cifar10_device.py`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import statistics
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

SEARCH = 1000  # seeds of the search for epochs begin here, those of the race at 0
_AT_ONCE = 2000  # pictures at a time when judging
_CHANCE = 20.0  # percent of ten classes: who is below has learned nothing
# What a factor e of epochs gains, in points of accuracy; only to guess which number to try next.
SLOPE = {94: 1.1, 96: 0.7}


def scores(competitor: Any, pictures: Tensor, targets: Tensor) -> dict[str, float]:
    """Accuracy in percent of single pictures, with the mirror image, and with both moved by one pixel as well."""
    right = {"plain": 0, "flip": 0, "flip_and_shift": 0}

    def mirrored(inputs: Tensor) -> Tensor:
        return (competitor.logits(inputs) + competitor.logits(inputs.flip(-1))) / 2

    for part, labels in zip(pictures.split(_AT_ONCE), targets.split(_AT_ONCE), strict=True):
        inputs = competitor.prepared(part)
        plain = competitor.logits(inputs)
        both = (plain + competitor.logits(inputs.flip(-1))) / 2
        padded = F.pad(inputs, (1, 1, 1, 1), "reflect")
        moved = (mirrored(padded[:, :, :-2, :-2]) + mirrored(padded[:, :, 2:, 2:])) / 2
        for name, logits in (("plain", plain), ("flip", both), ("flip_and_shift", (both + moved) / 2)):
            right[name] += int((logits.argmax(1) == labels).sum())
    return {name: 100 * count / len(targets) for name, count in right.items()}


class Race:
    """All trainings: timed, judged, kept and written one by one, none begun that would not end in time."""

    def __init__(self, options: argparse.Namespace, device: torch.device, settings: dict[int, dict[str, Any]]) -> None:
        self.options, self.device, self.began = options, device, time.perf_counter()
        self.ready: dict[tuple[int, str], Any] = {}
        self.record: dict[str, Any] = {
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
            "torch": torch.__version__,
            "judged_by": options.judge,
            "settings": {str(t): {name: dataclasses.asdict(s) for name, s in each.items()} for t, each in settings.items()},
            "made_ready": [],
            "notes": [],
            "trainings": [],
            "races": {},
        }

    @property
    def left(self) -> float:
        return float(self.options.limit - (time.perf_counter() - self.began))

    def note(self, text: str) -> None:
        print(f"[{time.perf_counter() - self.began:5.0f} s] {text}", flush=True)
        self.record["notes"].append(text)
        self.write()

    def write(self) -> None:
        path = Path(self.options.out)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".part")
        aside.write_text(json.dumps(self.record, indent=1) + "\n")
        aside.replace(path)

    def synchronize(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def make_ready(self, target: int, name: str, build: Callable[[], Any]) -> Any:
        """Build, compile and warm up a competitor; how long that took is kept apart."""
        began = self.synchronize()
        made = build()
        seconds = self.synchronize() - began
        self.ready[target, name] = made
        memory = torch.cuda.max_memory_reserved() / 2**30 if self.device.type == "cuda" else 0.0
        said = getattr(made, "said", "")
        self.record["made_ready"].append({"target": target, "name": name, "seconds": round(seconds, 2), "way": said})
        self.note(f"{target} % {name}: built, compiled and warm in {seconds:.1f} s ({said}); {memory:.1f} GiB reserved so far")
        return made

    def one(self, target: int, name: str, epochs: float, seed: int, phase: str) -> dict[str, Any] | None:
        """One training, or None where it would not end in time."""
        if self.left < 1.3 * self.expected(target, name, epochs) + 2:
            self.note(f"{target} % {name}, {epochs:g} epochs, seed {seed}: {self.left:.0f} s are left, not begun")
            return None
        competitor = self.ready[target, name]
        try:
            competitor.reset(seed)
            began = self.synchronize()
            competitor.train(epochs)
            seconds = self.synchronize() - began
            judged = scores(competitor, *self.held_out)
        except Exception:  # the others can still be measured
            self.note(f"{target} % {name}, {epochs:g} epochs, seed {seed} FAILED:\n{traceback.format_exc()[-1500:]}")
            return None
        made = {"target": target, "name": name, "epochs": epochs, "seed": seed, "phase": phase}
        made |= {"seconds": round(seconds, 4), "judging": round(self.synchronize() - began - seconds, 3), **judged}
        self.record["trainings"].append(made)
        self.write()
        told = ", ".join(f"{kind} {value:.2f}" for kind, value in judged.items())
        print(f"[{time.perf_counter() - self.began:5.0f} s] {phase}: {target} % {name}, {epochs:g} epochs, seed {seed}: "
              f"{seconds:.3f} s, {told}", flush=True)  # fmt: skip
        return made

    def expected(self, target: int, name: str, epochs: float) -> float:
        """Seconds that a training of so many epochs should take, judging included."""
        known = [t for t in self.record["trainings"] if t["target"] == target and t["name"] == name]
        known = known or [t for t in self.record["trainings"] if t["target"] == target]
        return float(max((epochs * t["seconds"] / t["epochs"] + t["judging"] for t in known), default=2.0))

    def of(self, target: int, name: str, epochs: float, phase: str) -> list[dict[str, Any]]:
        key = {"target": target, "name": name, "epochs": epochs, "phase": phase}
        return [t for t in self.record["trainings"] if all(t[part] == value for part, value in key.items())]

    def mean(self, made: list[dict[str, Any]]) -> float:
        return statistics.fmean(t[self.options.judge] for t in made)

    def needed(self, target: int, name: str, first: float, wanted: float, step: float, seeds: int) -> float:
        """Epochs, in steps, that should just do: a line through what two seeds reached with each number that was tried."""
        tried: list[float] = []
        epochs = first
        while epochs not in tried and len(tried) < 4:
            tried.append(epochs)
            made = [self.one(target, name, epochs, SEARCH + 10 * len(tried) + seed, "search") for seed in range(seeds)]
            if None in made and len(self.of(target, name, epochs, "search")) == 0:
                break
            if not self.options.width and self.mean(self.of(target, name, epochs, "search")) < _CHANCE:
                raise RuntimeError(
                    f"{name} has learned nothing in {epochs:g} epochs: it is broken, and nothing could be compared"
                )
            guess = self.estimated(target, name, wanted, self.options.judge)["epochs"]
            guess = min(max(guess, 0.6 * epochs), 1.6 * epochs)
            epochs = max(step, math.ceil(guess / step - 0.2) * step)
        self.note(f"{target} % {name}: {epochs:g} epochs should do, after trying {', '.join(f'{each:g}' for each in tried)}")
        return epochs

    def run(self, target: int, names: list[str], epochs: dict[str, float], wanted: float, seeds: int, step: float) -> None:
        """In turn, so many seeds each; whoever falls short on the mean by more than chance gets a step of epochs more."""
        done = False
        while not done:
            done = True
            for seed in range(seeds):
                for name in names:
                    if any(t["seed"] == seed for t in self.of(target, name, epochs[name], "race")):
                        continue
                    if self.one(target, name, epochs[name], seed, "race") is None:
                        self.summarize(target, names, epochs, wanted)
                        return
                for name in names:
                    made = self.of(target, name, epochs[name], "race")
                    values = [t[self.options.judge] for t in made]
                    last = len(made) == seeds
                    chance = 2 * statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf
                    if (last and self.mean(made) < wanted) or (len(made) in (6, 10, 14) and self.mean(made) + chance < wanted):
                        short = f"{self.mean(made):.3f} after {len(made)} seeds"
                        self.note(f"{target} % {name}: {epochs[name]:g} epochs are too few, {short}")
                        epochs[name] += step
                        done = False
                if not done:
                    break
        self.summarize(target, names, epochs, wanted)

    def summarize(self, target: int, names: list[str], epochs: dict[str, float], wanted: float) -> None:
        """What the race of a target came to; what was begun with too few epochs is left out of it, but kept."""
        found: dict[str, Any] = {"wanted": wanted, "judged_by": self.options.judge}
        for name in names:
            made = self.of(target, name, epochs[name], "race")
            if not made:
                continue
            seconds = sorted(t["seconds"] for t in made)
            quartiles = statistics.quantiles(seconds, n=4) if len(seconds) > 1 else [seconds[0]] * 3
            accuracy = {
                kind: {
                    "mean": round(statistics.fmean(t[kind] for t in made), 3),
                    "sd": round(statistics.stdev([t[kind] for t in made]), 3) if len(made) > 1 else None,
                }
                for kind in ("plain", "flip", "flip_and_shift")
            }
            found[name] = {
                "n": len(made),
                "epochs": epochs[name],
                "seconds": {"median": statistics.median(seconds), "low": quartiles[0], "high": quartiles[2]},
                "accuracy": accuracy,
                "reached": accuracy[self.options.judge]["mean"] >= wanted,
                "estimated_seconds_to_target": {kind: self.estimated(target, name, wanted, kind) for kind in accuracy},
            }
        if all(name in found for name in names):
            theirs, ours = (found[name] for name in names)
            found["sooner"] = round(theirs["seconds"]["median"] / ours["seconds"]["median"], 3)
            found["both_reached"] = theirs["reached"] and ours["reached"]
            found["sooner_by_estimate"] = {
                kind: round(theirs["estimated_seconds_to_target"][kind]["seconds"] / value["seconds"], 3)
                for kind, value in ours["estimated_seconds_to_target"].items()
            }
        self.record["races"][str(target)] = found
        self.write()
        print(json.dumps({str(target): found}, indent=1), flush=True)

    def estimated(self, target: int, name: str, wanted: float, kind: str) -> dict[str, Any]:
        """Seconds to the target by a line through accuracy over ln epochs, from all trainings of a competitor."""
        made = [t for t in self.record["trainings"] if t["target"] == target and t["name"] == name]
        x, y = np.log([t["epochs"] for t in made]), np.array([t[kind] for t in made])
        # With one number of epochs, or a line that falls by chance, only the guessed slope is left.
        slope = float(np.polyfit(x, y, 1)[0]) if np.ptp(x) > 0.1 else 0.0
        slope = slope if slope > 0.3 * SLOPE[target] else SLOPE[target]
        epochs = float(np.exp(x.mean() + (wanted - y.mean()) / slope))
        of_one = statistics.median(t["seconds"] / t["epochs"] for t in made)
        beyond = not min(t["epochs"] for t in made) <= epochs <= max(t["epochs"] for t in made)
        return {"seconds": round(epochs * of_one, 3), "epochs": round(epochs, 2), "slope": round(slope, 3), "beyond": beyond}
