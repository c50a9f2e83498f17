"""Features for pictures of a kind, from a network that learned on nothing but such pictures.

Distances of drawings need features in which pictures that look different lie apart. Where there are classes a network that
tells them has such; where there are none, one that tells how a picture was turned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leadline.data.batches import Batches
from leadline.data.dataset import Split
from leadline.data.schema import Schema
from leadline.errors import ArgumentError, RunError
from leadline.losses.classes import cross_entropy
from leadline.models.convnets import convnet
from leadline.optim import make_average, make_optimizer, make_schedule
from leadline.training import Supervised, run_loop
from leadline.transfer.last_features import before_head, features_of

CLASSES, TURNS = "classes", "turns"
_TO_SEE, _LARGE = (80_000, 30_000), 48  # pictures to learn from, fewer above so many pixels a side
_MOST_EPOCHS, _LEAST_EPOCHS = 60, 2
_BATCH, _RATE, _WIDTH = 64, 2e-3, 24


@dataclass(frozen=True)
class OwnFeatures:
    """A classifier of pictures, used for what it decides by: calling it turns pictures into rows of features.

    Args:
        network: the classifier, on its device.
        shape: (C, H, W) of one picture.
        told: what it tells apart: "classes", or "turns" where there are no classes.
        outputs: how many of them.
        accuracy: share of held-out pictures of which it tells it rightly.

    Example:
        >>> own = OwnFeatures(convnet((1, 8, 8), 4, width=4, stages=1), (1, 8, 8), TURNS, 4, 0.9)
        >>> own(torch.zeros(5, 1, 8, 8)).shape, own.words
        (torch.Size([5, 4]), 'a network that tells which way up these pictures are (90.0 % right on others)')
    """

    network: nn.Module
    shape: tuple[int, ...]
    told: str
    outputs: int
    accuracy: float

    def __call__(self, pictures: Tensor) -> Tensor:
        return features_of(self._below_head, pictures)

    @cached_property
    def _below_head(self) -> nn.Module:
        return before_head(self.network, self.shape)

    @property
    def words(self) -> str:
        """What the features are of, in words."""
        what = f"tells the {self.outputs} classes of these pictures" if self.told == CLASSES else _UP
        return f"a network that {what} ({100 * self.accuracy:.1f} % right on others)"

    def state(self) -> dict[str, Any]:
        """All that it is made of, as tensors and plain values."""
        return {
            "weights": self.network.state_dict(),
            "shape": list(self.shape),
            "told": self.told,
            "outputs": self.outputs,
            "accuracy": self.accuracy,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], device: torch.device) -> OwnFeatures:
        """The inverse of `state`.

        Errors: `RunError` where it is of another network.
        """
        try:
            shape = tuple(state["shape"])
            network = _network(shape, state["outputs"])
            network.load_state_dict(state["weights"])
            return cls(network.to(device).eval(), shape, state["told"], state["outputs"], state["accuracy"])
        except (KeyError, RuntimeError, TypeError) as error:
            raise RunError("The network of features is damaged", got=str(error).splitlines()[0]) from error


_UP = "tells which way up these pictures are"


def learn_own_features(
    train: Split,
    valid: Split,
    schema: Schema,
    *,
    classes: int = 0,
    device: torch.device | None = None,
    seed: int = 0,
    told: Callable[[str], object] = lambda text: None,
) -> OwnFeatures:
    """Train a small convolutional network on pictures for its features.

    Args:
        train: pictures [N, H, W, C] as stored, with class numbers as targets where there are classes.
        valid: others, by which its accuracy is told.
        schema: that prepares them.
        classes: how many there are; below 2 it learns how pictures were turned.
        device: where it trains.
        seed: of its weights and of the order.
        told: hears what is trained, before it is.

    Errors: `ArgumentError` for no pictures.

    Example:
        >>> from leadline.data import load
        >>> digits = load("digits", task="generate")
        >>> few = digits.train.take(np.arange(100))
        >>> own = learn_own_features(few, digits.valid, digits.schema, classes=10)
        >>> own.outputs, own(torch.zeros(3, 1, 8, 8)).shape[0]
        (10, 3)
    """
    if not len(train) or not len(valid):
        raise ArgumentError("There is nothing to learn features from", expected="at least 1 picture of each split", got=0)
    where = device or torch.device("cpu")
    shape = schema.inputs.shape
    kind, outputs = (CLASSES, classes) if classes > 1 else (TURNS, 4 if shape[1] == shape[2] else 2)
    told("the classes of these pictures" if kind == CLASSES else "which way up these pictures are, for they have no classes")
    torch.manual_seed(seed)
    network = _network(shape, outputs).to(where, memory_format=torch.channels_last)  # type: ignore[call-overload]
    batch = _BATCH if kind == CLASSES else _BATCH // outputs
    made = Batches(train, schema, batch, device=where, seed=seed, shuffle=True, channels_last=True)
    batches: Any = made if kind == CLASSES else _Turned(made, outputs)
    to_see = _TO_SEE[max(shape[1:]) > _LARGE]
    epochs = int(np.clip(round(to_see / (len(train) * (1 if kind == CLASSES else outputs))), _LEAST_EPOCHS, _MOST_EPOCHS))
    optimizer = make_optimizer("adamw", network, learning_rate=_RATE, weight_decay=0.01)
    step = Supervised(network, cross_entropy, optimizer, schedule=make_schedule("one_cycle"))
    run_loop(make_average("ema(0.98)", step), batches, epochs=epochs)
    others = Batches(valid, schema, 4 * _BATCH, device=where, channels_last=True)
    accuracy = _accuracy(network.eval(), others if kind == CLASSES else _Turned(others, outputs))
    return OwnFeatures(network, tuple(shape), kind, outputs, accuracy)


def turned(pictures: Tensor, turns: int) -> tuple[Tensor, Tensor]:
    """Each picture turned by quarters, or, of two turns, upside down; and how often each was turned.

    Shapes: [B, C, H, W] → [turns · B, C, H, W] and [turns · B].

    Args:
        pictures: square ones for four turns.
        turns: 2 or 4.

    Example:
        >>> rows, numbers = turned(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 4)
        >>> rows[1, 0].tolist(), numbers.tolist()
        ([[2.0, 4.0], [1.0, 3.0]], [0, 1, 2, 3])
    """
    quarters = 4 // turns
    rows = torch.cat([torch.rot90(pictures, quarters * number, (2, 3)) for number in range(turns)])
    return rows, torch.arange(turns, device=pictures.device).repeat_interleave(len(pictures))


class _Turned:
    """Batches of pictures in every position, with the position as their class."""

    def __init__(self, batches: Batches, turns: int) -> None:
        self.batches, self.turns = batches, turns

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.epoch(0)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        for pictures, _ in self.batches.epoch(epoch, first):
            rows, numbers = turned(pictures, self.turns)
            yield rows.contiguous(memory_format=torch.channels_last), numbers


def _network(shape: tuple[int, ...], outputs: int) -> nn.Module:
    stages = int(np.clip(math.floor(math.log2(min(shape[1:]) / 4)) + 1, 1, 4))
    return convnet(shape, outputs, width=_WIDTH, stages=stages, convolutions=1, dropout=0.1)


def _accuracy(network: nn.Module, batches: Any) -> float:
    right, rows = 0.0, 0
    with torch.inference_mode():
        for pictures, numbers in batches:
            known = numbers >= 0
            right += float((network(pictures).argmax(1) == numbers)[known].sum())
            rows += int(known.sum())
    return right / max(rows, 1)
