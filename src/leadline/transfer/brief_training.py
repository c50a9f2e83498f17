"""A short training of a whole network, with its schedule from start to end: what it reaches says which way is worth more."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from leadline import losses
from leadline.data.answers import Answers
from leadline.data.batches import Batches
from leadline.data.dataset import Dataset
from leadline.data.pictures.augment import Augment
from leadline.errors import TrainingError
from leadline.optim import ClipNorm, make_optimizer, make_schedule
from leadline.training import Supervised, outputs_of, run_loop
from leadline.transfer.grids import predictions_of
from leadline.transfer.rates import TrainedStage, with_depth_rates

_LOSSES = {"classes": "cross_entropy", "labels": "binary_cross_entropy", "number": "squared_error"}
_FEWEST_STEPS = 40  # smaller batches before fewer steps: less tells nothing
_SMALLEST_BATCH = 16


def train_briefly(
    network: nn.Module,
    dataset: Dataset,
    rows: int,
    *,
    learning_rate: float,
    batch: int = 64,
    stages: Sequence[TrainedStage] = (),
    decay: float = 0.5,
    augment: Augment | None = None,
    seed: int = 0,
) -> Tensor:
    """Train on so many rows in all and answer for the validation rows, on the device where the network is.

    AdamW under a one-cycle schedule, gradients clipped to norm 1; with `stages`, rates fall towards the input.

    Args:
        network: is trained in place.
        dataset: its training rows are gone through in a new order each epoch, the last epoch broken off.
        rows: to train on, repetitions counted.
        learning_rate: the highest.
        batch: rows a batch at most.
        stages: of the network, for rates by depth.
        decay: of the rate from one stage to the one before.
        augment: of the training pictures.
        seed: of the order.

    Returns:
        Predictions as metrics take them, on the CPU; NaN where the training did not stay finite.

    Example:
        >>> from leadline import data
        >>> digits = data.load("digits")
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        >>> train_briefly(network, digits, 2000, learning_rate=1e-2).shape
        torch.Size([270, 10])
    """
    device = next(network.parameters()).device
    size = max(2, min(batch, max(_SMALLEST_BATCH, rows // _FEWEST_STEPS), len(dataset.train)))
    convolves = device.type == "cuda" and len(dataset.schema.inputs.shape) == 3
    channels_last = convolves and any(isinstance(module, nn.Conv2d) for module in network.modules())
    batches = Batches(
        dataset.train,
        dataset.schema,
        size,
        device=device,
        seed=seed,
        shuffle=True,
        augment=augment,
        channels_last=channels_last,
    )
    steps = max(1, rows // size)
    optimizer = make_optimizer("adamw", network, learning_rate=learning_rate, weight_decay=0.01)
    if stages:
        optimizer = with_depth_rates(optimizer, network, stages, decay=decay)
    step = Supervised(
        network, _loss_of(dataset.schema.answers), optimizer, schedule=make_schedule("one_cycle"), clip=ClipNorm(1.0)
    )
    network.train()
    try:
        run_loop(step, _Some(batches, steps), epochs=1)
    except TrainingError:
        return torch.full((len(dataset.valid), dataset.schema.answers.outputs), math.nan)
    network.eval()
    valid = Batches(dataset.valid, dataset.schema, 256, device=device, channels_last=channels_last)
    outputs, _ = outputs_of(network, valid)
    return predictions_of(outputs, dataset.schema.answers).cpu()


def _loss_of(answers: Answers) -> Callable[[Any, Any], Tensor]:
    return losses.get(_LOSSES[answers.task])


class _Some:
    """So many batches, from as many epochs as they take, as one epoch."""

    def __init__(self, batches: Batches, steps: int) -> None:
        self.batches, self.steps = batches, steps

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Any:
        whole, rest = divmod(self.steps, len(self.batches))
        for epoch in range(whole + (rest > 0)):
            limit = len(self.batches) if epoch < whole else rest
            for at, each in enumerate(self.batches.epoch(epoch)):
                if at == limit:
                    break
                yield each
