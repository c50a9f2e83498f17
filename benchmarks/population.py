"""Many small networks at once: 64 MLPs (64-64-10) on digits, against one after another and against JAX's vmap.

Same architecture, rows, batch size and optimizer (AdamW at 0.001, decay 0.01 on weights, running loss and accuracy), each
network with its own seed and order of rows; one epoch a measurement, in turn. One after another is measured on a few networks,
in the plain step and in the recorded one. On a GPU there are 1,024 networks. JAX runs in a process of its own
(`population_jax.py`) that waits while others are timed; without JAX it is left out, and JAX_PYTHON names another
environment's interpreter to run it with.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from machine import machine, spread, write
from torch import Tensor, nn

from leadline import data
from leadline.data.batches import Batches
from leadline.losses import cross_entropy
from leadline.models import mlp
from leadline.optim import make_optimizer
from leadline.training import Supervised, run_loop
from leadline.training.population import Candidate, Population, PopulationBatches
from leadline.training.recorded import Recorded

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 9
BATCHES = (16, 64, 256)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
NETWORKS = 1024 if DEVICE.type == "cuda" else 64
ALONE = 4  # networks trained one after another in a round, of which all are alike
RATE, DECAY = 1e-3, 0.01
DIGITS = data.load("digits")


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs.argmax(1) == targets).float().mean()


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return mlp(DIGITS.schema.inputs.shape, 10, width=64, depth=1, batch_norm=False).to(DEVICE)


def batches(size: int, seed: int) -> Batches:
    return Batches(DIGITS.train, DIGITS.schema, size, seed=seed, shuffle=True, device=DEVICE)


class AtOnce:
    """All networks in one population."""

    def __init__(self, size: int) -> None:
        candidates = [Candidate(network(seed), RATE, weight_decay=DECAY) for seed in range(NETWORKS)]
        self.step = Population(candidates, cross_entropy, measures={"accuracy": accuracy})
        self.batches = PopulationBatches([batches(size, seed) for seed in range(NETWORKS)], self.step)
        self.count = NETWORKS

    def epoch(self) -> float:
        return timed(lambda: run_loop(self.step, self.batches, epochs=1))


class OneAfterAnother:
    """Some networks, each with its own step."""

    def __init__(self, size: int, recorded: bool) -> None:
        self.steps: list[Any] = []
        self.batches, self.count = [batches(size, seed) for seed in range(ALONE)], ALONE
        for seed in range(ALONE):
            model = network(seed)
            optimizer = make_optimizer("adamw", model, learning_rate=RATE, weight_decay=DECAY)
            step: Any = Supervised(model, cross_entropy, optimizer, measures={"accuracy": accuracy})
            if recorded:
                step = Recorded(step)
                reason = step.record(next(iter(self.batches[seed])))
                assert not reason, reason
            self.steps.append(step)

    def epoch(self) -> float:
        def train() -> None:
            for step, rows in zip(self.steps, self.batches, strict=True):
                run_loop(step, rows, epochs=1)

        return timed(train)


class Jax:
    """A process of its own: `python population_jax.py SIZE NETWORKS ROWS`, one line in, the seconds of one epoch out."""

    def __init__(self, size: int) -> None:
        script = os.path.join(os.path.dirname(__file__), "population_jax.py")
        words = [os.environ.get("JAX_PYTHON", sys.executable), script, str(size), str(NETWORKS), str(len(DIGITS.train))]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.count = NETWORKS
        self.about = self._read()

    def epoch(self) -> float:
        assert self.process.stdin is not None
        self.process.stdin.write("epoch\n")
        self.process.stdin.flush()
        return float(self._read()["seconds"])

    def close(self) -> None:
        self.process.kill()
        self.process.wait()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


def timed(action: Callable[[], Any]) -> float:
    """Seconds; the history's record at the end of an epoch waits for the device."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def has_jax() -> bool:
    return "JAX_PYTHON" in os.environ or importlib.util.find_spec("jax") is not None


def side_by_side(size: int) -> dict[str, Any]:
    tools: dict[str, Any] = {"at once": AtOnce(size), "plain": OneAfterAnother(size, False)}
    if DEVICE.type == "cpu":
        tools["recorded"] = OneAfterAnother(size, True)
    if has_jax():
        tools["jax vmap"] = Jax(size)
    rates: dict[str, list[float]] = {label: [] for label in tools}
    for turn in range(ROUNDS + 2):
        for label, tool in tools.items():
            rate = tool.count / tool.epoch()
            if turn > 1:
                rates[label].append(rate)
    about = {}
    if "jax vmap" in tools:
        about = {"jax": tools["jax vmap"].about}
        tools["jax vmap"].close()
    ratios = {
        label: spread([ours / theirs for ours, theirs in zip(rates["at once"], others, strict=True)])
        for label, others in rates.items()
        if label != "at once"
    }
    return {"networks_per_second": {label: spread(values) for label, values in rates.items()}, "times": ratios} | about


def main() -> None:
    record: dict[str, Any] = {
        "machine": machine(),
        "device": torch.cuda.get_device_name() if DEVICE.type == "cuda" else "cpu",
        "networks": NETWORKS,
        "rows": len(DIGITS.train),
        "rounds": ROUNDS,
    }
    for size in BATCHES:
        record[f"batch {size}"] = result = side_by_side(size)
        print(f"\nbatch {size}: epochs of a network a second")
        for label, values in result["networks_per_second"].items():
            times = result["times"].get(label)
            told = f"at once is {times['median']:.2f} × that ({times['low']:.2f} to {times['high']:.2f})" if times else ""
            print(f"  {label:10} {values['median']:9.1f}  {told}")
    write("population" if DEVICE.type == "cpu" else "population_device", record)


if __name__ == "__main__":
    main()
