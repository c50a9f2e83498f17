"""What trains a network that draws, made from a Plan: its step, batches of pictures, and what judges it after each epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline.data.batches import Batches
from leadline.data.dataset import Dataset, Split
from leadline.data.schema import Schema
from leadline.errors import PlanError, unknown
from leadline.models import AdversarialStep, SampleEvaluation
from leadline.models.adversarial.adversarial_samples import as_pair
from leadline.optim import make_optimizer, make_schedule
from leadline.plan.generating import average_of, check_generate_plan
from leadline.plan.record import Plan
from leadline.training import Best

COLUMNS = ("valid_frechet", "valid_kernel", "valid_pairwise", "valid_nearest", "valid_coverage")
"""Columns of the history that may be monitored; of the last three more is better."""
_JUDGED = 2000  # held-out pictures at most: with more, judging would take a part of an epoch that is worth telling
_BLOCKS = 8  # means a side, where there are no better features


class DrawingParts(NamedTuple):
    """What `plan.build` puts together for pictures to draw from."""

    step: AdversarialStep
    batches: Batches
    evaluate: SampleEvaluation
    best: Best


def drawing_parts(plan: Plan, dataset: Dataset, model: nn.Module, device: torch.device, precision: torch.dtype) -> DrawingParts:
    """The step, the batches, the evaluation (on means of blocks, until it has features) and the keeper of the best weights.

    Args:
        plan: with a network that draws.
        dataset: of pictures.
        model: on the device.
        device: where it trains.
        precision: of the arithmetic.

    Errors: `PlanError` for a choice that such networks do not allow.
    """
    check_generate_plan(plan)
    training, pair = plan.training, as_pair(model)
    generator, discriminator = (
        make_optimizer(
            training.optimizer,
            part,
            learning_rate=training.learning_rate,
            momentum=training.momentum,
            weight_decay=training.weight_decay,
        )
        for part in (pair.generator, pair.discriminator)
    )
    step = AdversarialStep(
        pair,
        (generator, discriminator),
        loss=training.loss,
        critic_steps=training.critic_steps,
        average=average_of(plan),
        augment=training.changes,
        schedule=_schedule(plan),
        seed=training.seed,
        precision=precision,
    )
    if training.monitor not in COLUMNS:
        unknown("column of the history to monitor", training.monitor, COLUMNS, PlanError)
    best = Best(
        training.monitor,
        higher_is_better=training.monitor in COLUMNS[2:],
        patience=training.patience or None,
        min_change=training.min_change,
    )
    batches = Batches(
        dataset.train,
        dataset.schema,
        training.batch or len(dataset.train),
        device=device,
        seed=training.seed,
        shuffle=True,
        channels_last=training.layout == "channels_last",
    )
    return DrawingParts(step, batches, evaluation_of(pair, dataset), best)


def evaluation_of(
    pair: nn.Module, dataset: Dataset, features: Callable[[Tensor], Tensor] | None = None, *, seed: int = 1
) -> SampleEvaluation:
    """What compares drawings with the validation pictures after each epoch, at most 2,000 of them.

    Args:
        pair: that draws.
        dataset: whose validation pictures are taken.
        features: pictures [N, C, H, W] → rows; means of 8 × 8 blocks where there are none.
        seed: of the noise, another than that of the sheets.
    """
    pictures, classes = prepared_pictures(dataset.valid, dataset.schema, most=_JUDGED)
    return SampleEvaluation(pair, pictures, features=features or block_means, classes=classes, seed=seed)


def prepared_pictures(split: Split, schema: Schema, *, most: int) -> tuple[Tensor, Tensor | None]:
    """Pictures of a split as the network sees them, float32 [N, C, H, W], and their classes where all are known.

    Args:
        split: of pictures.
        schema: that prepares them.
        most: at most so many, evenly spread.
    """
    rows = spread_out(len(split), most)
    stored = torch.from_numpy(np.ascontiguousarray(split.array[rows]))
    prepared: Tensor = schema.inputs.preparer(torch.device("cpu"))(stored)
    return prepared, known_classes(split, schema, rows)


def known_classes(split: Split, schema: Schema, rows: NDArray[np.int64]) -> Tensor | None:
    """The class numbers of some pictures of a split; None where not all are known.

    Args:
        split: of pictures.
        schema: that says whether there are classes.
        rows: which of the split.
    """
    targets = torch.from_numpy(np.asarray(split.targets)[rows])
    return targets if schema.answers.outputs > 0 and bool((targets >= 0).all()) else None


def spread_out(count: int, most: int) -> NDArray[np.int64]:
    """Row numbers, at most so many of all, evenly spread.

    Args:
        count: of all rows.
        most: of those that are taken.

    Example:
        >>> spread_out(9, 3).tolist(), spread_out(2, 3).tolist()
        ([0, 4, 8], [0, 1])
    """
    rows: NDArray[np.int64] = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))
    return rows


def block_means(pictures: Tensor) -> Tensor:
    """Means of 8 × 8 blocks, rows [N, 64 C]: what tells distributions of pictures apart where nothing better is known.

    Args:
        pictures: [N, C, H, W].

    Example:
        >>> block_means(torch.zeros(5, 3, 32, 32)).shape
        torch.Size([5, 192])
    """
    return F.adaptive_avg_pool2d(pictures, (min(_BLOCKS, pictures.shape[2]), min(_BLOCKS, pictures.shape[3]))).flatten(1)


def _schedule(plan: Plan) -> Any:
    made = make_schedule(plan.training.schedule, warm_up_share=plan.training.warm_up, epochs=plan.training.epochs)
    return made if plan.training.schedule != "constant" or plan.training.warm_up else None
