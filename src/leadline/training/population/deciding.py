"""Whether many networks are better trained at once or one after another."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from leadline.errors import LeadlineError
from leadline.optim.optimizers import make_optimizer
from leadline.training.population.masks import Masks
from leadline.training.population.one_network import Candidate
from leadline.training.population.stacking import StackedForward
from leadline.training.population.step import Population
from leadline.training.population.weights import Weights
from leadline.training.steps import BEGINNING, Supervised

MOST_PARAMETERS = 1_000_000  # for which it is tried on a CPU; a product this large keeps both cores busy by itself
LONGEST_STEP = 0.02  # seconds; what stacking saves is a few tenths of a millisecond a layer
LEAST_GAIN = 1.1
_NETWORKS, _ROUNDS, _SECONDS, _TRIALS = 8, 5, 1.0, 3


def stackable(model: nn.Module, rows: Tensor) -> str:
    """Why networks like this one are better trained one after another; an empty string when stacking them pays.

    A few copies of the model are run on the rows: stacked, they must say what the model says, and their steps are timed in turn
    with those of one copy alone. The model itself, its statistics and torch's random state are left as they are.

    Args:
        model: one of the networks, on its device.
        rows: prepared inputs of a batch [B, …], with at least 2 rows for batch normalization.

    Example:
        >>> stackable(nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)), torch.zeros(16, 64))
        ''
        >>> stackable(nn.Linear(2000, 1000), torch.zeros(16, 2000))
        '2,001,000 parameters: one after another is as fast'
    """
    parameters = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    if rows.device.type == "cpu" and parameters > MOST_PARAMETERS:
        return f"{parameters:,} parameters: one after another is as fast"
    devices = [rows.device] if rows.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices):
            alone = _Alone(model, rows)
            taken = min(alone.seconds(1) for _ in range(_TRIALS))
            if taken > LONGEST_STEP:
                return f"a step of one network takes {1000 * taken:.0f} ms: one after another is as fast"
            reason = _untrue(model, rows)
            gain = _gain(model, rows, alone) if not reason else 0.0
    except (LeadlineError, RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        return f"the network cannot be stacked: {str(error).splitlines()[0].strip()}"
    if reason or gain >= LEAST_GAIN:
        return reason
    return f"one after another is as fast: {_NETWORKS} networks at once were measured {gain:.2f} times as fast"


def _untrue(model: nn.Module, rows: Tensor) -> str:
    """What stacking would change in what the networks compute."""
    weights = Weights([model, model])
    forward, views = StackedForward(model, Masks([model, model], [None, None])), weights.views()
    pair = rows.expand(2, *rows.shape)
    outputs = forward(pair, views, training=True)
    leaves = {name: views[name] for name in weights.names["trained"]}
    gradients = torch.autograd.grad(outputs.square().sum(), list(leaves.values()), allow_unused=True)
    for name, gradient in zip(leaves, gradients, strict=True):
        if gradient is None:  # a training alone would leave such a tensor to itself; here it would decay
            return f"the parameter {name!r} takes no part"
    alone = forward.model.eval()
    weights.write(0, alone)
    with torch.no_grad():
        together, expected = forward(pair, views, training=False)[0], alone(rows)
    if together.shape != expected.shape or not torch.allclose(together, expected, rtol=1e-3, atol=1e-5):
        return "stacked, the network gives other outputs than alone"
    return ""


def _gain(model: nn.Module, rows: Tensor, alone: _Alone) -> float:
    """How many times as fast a step of some networks at once is as as many steps of one."""
    together = Population([Candidate(model)] * _NETWORKS, _mean_square)
    batch = rows.expand(_NETWORKS, *rows.shape), rows.new_zeros(_NETWORKS, len(rows))
    best = [float("inf"), float("inf")]
    began = time.perf_counter()
    for turn in range(_ROUNDS + 1):
        taken = alone.seconds(_NETWORKS), _seconds(lambda: together(batch, BEGINNING), rows.device)
        if turn:  # the first time convolutions are still being measured
            best = [min(pair) for pair in zip(best, taken, strict=True)]
        if turn and time.perf_counter() - began > _SECONDS:
            break
    return best[0] / best[1]


class _Alone:
    """A copy of the model with the plain step."""

    def __init__(self, model: nn.Module, rows: Tensor) -> None:
        one = copy.deepcopy(model).train()
        self.step = Supervised(one, _mean_square, make_optimizer("adamw", one, learning_rate=1e-3))
        self.batch, self.device = (rows, rows.new_zeros(len(rows))), rows.device

    def seconds(self, steps: int) -> float:
        return _seconds(lambda: [self.step(self.batch, BEGINNING) for _ in range(steps)], self.device)


def _mean_square(outputs: Tensor, targets: Tensor) -> Tensor:
    return outputs.square().mean()


def _seconds(action: Callable[[], object], device: torch.device) -> float:
    began = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
