"""What a network that tells its inputs again answers: the input, and how odd it is; classes are kept to judge by."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.metrics.anomalies import tail_probabilities

MOST_REFERENCES = 1000
"""Scores of validation rows that are kept: a probability below a thousandth needs more rows than most data have."""


@dataclass(frozen=True)
class Reconstructions:
    """The inputs again, and of each a score that is high where it is odd.

    Targets are int64 [N]: the number of a row's class among `classes`; −1 where it is not known, K for a class that training
    had not heard of. They are not learned from. Outputs are scores [N, 1], in the units of the network.

    Attributes:
        classes: names of the K classes that the source brings, in any of its parts; () where it has no labels.
        odd: those of them that nothing was learned from; rows of these, and of classes not heard of, are odd.
        threshold: a row whose score lies above it is called odd; chosen on the validation rows, None until then.
        false_alarms: the share of usual validation rows above the threshold.
        reference: scores of usual validation rows, in rising order, by which it is told how rare a score is.

    Example:
        >>> answers = Reconstructions(("good", "scratch"), odd=("scratch",))
        >>> answers.encode(["scratch", "", "dent"]), answers.is_odd(np.array([0, 1, 2, -1]))
        (array([ 1, -1,  2]), array([False,  True,  True, False]))
    """

    classes: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()
    threshold: float | None = None
    false_alarms: float | None = None
    reference: tuple[float, ...] = ()
    task: ClassVar[str] = "reconstruct"
    names: ClassVar[tuple[str, ...]] = ("score",)

    @property
    def outputs(self) -> int:
        return 1

    def encode(self, raw: Sequence[Any] | NDArray[Any]) -> NDArray[np.int64]:
        """Names of classes, "" where there is none, to their numbers, int64 [N]."""
        number = {name: at for at, name in enumerate(self.classes)} | {"": -1}
        return np.array([number.get(str(name), len(self.classes)) for name in raw], np.int64)

    def prepare(self, targets: Tensor) -> Tensor:
        """Numbers of classes as they are."""
        return targets

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Scores as they are."""
        return outputs.float()

    def is_odd(self, targets: NDArray[Any]) -> NDArray[np.bool_]:
        """Which rows are known to be odd, bool [N]; nobody knows of any where no class is."""
        if not self.odd:
            return np.zeros(len(targets), bool)
        numbers = [self.classes.index(name) for name in self.odd]
        return np.isin(targets, numbers) | (np.asarray(targets) >= len(self.classes))

    def with_threshold(self, threshold: float, usual: NDArray[Any]) -> Reconstructions:
        """The same with what was chosen on the validation rows.

        Args:
            threshold: above which a row is called odd.
            usual: scores of the validation rows that are not odd, [M] with M ≥ 1.

        Example:
            >>> told = Reconstructions().with_threshold(2.5, np.array([3.0, 1.0, 2.0, 2.0]))
            >>> told.false_alarms, told.rarity(np.array([2.5])).tolist()
            (0.25, [0.4])
        """
        rising = np.sort(np.asarray(usual, np.float64))
        share = float((rising > threshold).mean())
        if len(rising) > MOST_REFERENCES:
            rising = rising[np.linspace(0, len(rising) - 1, MOST_REFERENCES).round().astype(int)]
        return dataclasses.replace(
            self, threshold=float(threshold), false_alarms=share, reference=tuple(float(each) for each in rising)
        )

    def rarity(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        """How likely a usual row has at least such a score, float64 [N]; small where a row is odd."""
        if not self.reference or not len(scores):
            return np.ones(len(scores))
        found = tail_probabilities(
            torch.from_numpy(np.asarray(scores, np.float64)), torch.tensor(self.reference, dtype=torch.float64)
        )
        return found.numpy()
