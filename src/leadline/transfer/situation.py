"""Which of the four situations this is, measured: how much data there is, how similar it is to what the network knows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from leadline.data.dataset import Dataset
from leadline.data.pictures.augment import Augment
from leadline.errors import ArgumentError, unknown
from leadline.transfer.attempts import Attempts
from leadline.transfer.deciding import STRATEGIES, decide
from leadline.transfer.grids import headline_of
from leadline.transfer.skills import Skill

_STEP = 3  # what a row costs in a training step, in passes forward
_FEATURES_SHARE = 0.5  # of what may be spent here, for features at most
_UNCOUNTED = 0.35  # of it, for what rows do not measure: solving heads, neighbours, intervals


@dataclass(frozen=True)
class Situation:
    """What was measured, in numbers and in words, and what follows.

    `amount` is "little" or "much" data, `similarity` "similar" or "different"; `decision` is one of `STRATEGIES`, with the
    `layer` and the `grid` where the network is to be cut for it, and `reason` says why in a sentence. `skills` holds new heads
    and nearest neighbours at each depth and the short trainings, all on the validation rows by `metric`. `cost` is the share of
    the training's work that was spent.

    Example:
        >>> measured = Situation(90, 30.0, "accuracy", (), "little", "similar", "head", "before fc", 1, "measured", 0.1, 1.0)
        >>> measured.words(), Situation.from_json(measured.to_json()) == measured
        ('little data, similar to what the network was trained on', True)
    """

    rows: int
    rows_per_class: float
    metric: str
    skills: tuple[Skill, ...]
    amount: str
    similarity: str
    decision: str
    layer: str
    grid: int
    reason: str
    cost: float
    seconds: float

    def words(self) -> str:
        """The situation by name."""
        what = "similar to" if self.similarity == "similar" else "different from"
        return f"{self.amount} data, {what} what the network was trained on"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(record: dict[str, Any]) -> Situation:
        return Situation(**{**record, "skills": tuple(Skill(**each) for each in record["skills"])})


def measure_situation(
    model: nn.Module,
    dataset: Dataset,
    *,
    epochs: int = 30,
    share: float = 0.2,
    batch: int = 64,
    channels: int | None = None,
    augment: Augment | None = None,
    force: str = "",
    fresh: Callable[[], nn.Module] | None = None,
    seed: int = 0,
    cache: Path | str | None = None,
) -> Situation:
    """Try the four ways on this data for a share of the training's work, and say which one to go.

    The features of the frozen network are computed at an early, a middle and its last depth; a new head is fitted to each and
    judged on the validation rows, beside the nearest neighbours by the same features. With what is left, the whole network is
    trained for a short while from its weights, with that head, and from fresh ones. What is counted is rows, not seconds, so
    the same data are decided in the same way everywhere; a row forward counts 1, a row in a training step 3. Features are kept,
    so a training that goes on with one of these heads finds them.

    Args:
        model: the trained network, with its old head, on the device where to compute; is left as it is.
        dataset: its Schema prepares the inputs as the network knows them (`schema_for`).
        epochs: of the training that is being decided about.
        share: of that training's work that may be spent here, in (0, 1].
        batch: rows a batch of the short trainings at most.
        channels: of the pictures that the network was trained on, where the data have others.
        augment: of the training pictures.
        force: one of `STRATEGIES`: it is taken whatever the others reach, and no short training is made.
        fresh: makes the same network with fresh weights, for layers that cannot draw them anew.
        seed: of everything random.
        cache: the cache folder; the user's, by default.

    Errors: `ArgumentError` for an unknown strategy, a share or epochs out of range, a network without features or one that
        cannot take these inputs.

    Example:
        >>> import tempfile
        >>> from leadline import data
        >>> from leadline.models import mlp
        >>> digits, network = data.load("digits"), mlp((1, 8, 8), 4, width=16)
        >>> situation = measure_situation(network, digits, epochs=5, cache=tempfile.mkdtemp())
        >>> situation.metric, situation.decision in STRATEGIES, situation.cost <= 0.2
        ('accuracy', True, True)

    Source: Yosinski et al. (2014), How transferable are features in deep neural networks?; Kornblith, Shlens and Le (2019), Do
    better ImageNet models transfer better?
    """
    if force and force not in STRATEGIES:
        unknown("way to transfer", force, STRATEGIES)
    if epochs < 1 or not 0 < share <= 1:
        raise ArgumentError(
            "The cost of deciding is out of range", expected="epochs ≥ 1 and a share in (0, 1]", got=(epochs, share)
        )
    started, rows = time.perf_counter(), len(dataset.train)
    attempts = Attempts(model, dataset, channels=channels, augment=augment, fresh=fresh, seed=seed, cache=cache)
    whole, spent = _STEP * epochs * rows, 0.0
    if force != "scratch":
        affordable = int(_FEATURES_SHARE * share * whole / attempts.passes) - len(dataset.valid)
        most = min(rows, max(affordable, 2 * batch))
        attempts.heads(most)
        spent = attempts.passes * (most + len(dataset.valid))
    if not force and not attempts.solved:
        left = int(((1 - _UNCOUNTED) * share * whole - spent) / _STEP)
        spent += _STEP * attempts.short_trainings(left, batch, epochs * rows)
    per_class = _rows_per_class(dataset)
    decision = decide(attempts.candidates, attempts.targets, attempts.answers, per_class, force=force)
    return Situation(
        rows,
        per_class,
        headline_of(attempts.answers),
        tuple(attempts.skills),
        decision.amount,
        decision.similarity,
        decision.strategy,
        decision.layer or attempts.depths[-1].layer,
        decision.grid,
        decision.reason,
        round(spent / whole, 4),
        round(time.perf_counter() - started, 2),
    )


def _rows_per_class(dataset: Dataset) -> float:
    """Training rows of the class in the middle; of a label the rows that have it; all rows where numbers are learned."""
    targets, answers = dataset.train.targets, dataset.schema.answers
    if answers.task == "classes":
        return float(np.median(np.bincount(np.asarray(targets, dtype=np.int64), minlength=answers.outputs)))
    return float(np.median(np.asarray(targets).sum(0))) if answers.task == "labels" else float(len(targets))
