"""What comes out of a network that draws pictures from noise: the half of a Schema that other networks have answers in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Drawings:
    """Pictures of the kind that the inputs are, each of one of K classes where the pictures have classes.

    Targets are class numbers, int64 [N], all 0 where there are no classes; outputs are pictures [N, C, H, W] from −1 to 1, as
    `Pictures.restored` takes them.

    Example:
        >>> Drawings(("rose", "tulip")).encode(["tulip", "rose"]), Drawings().encode([None, None])
        (array([1, 0]), array([0, 0]))
    """

    names: tuple[str, ...] = ()
    task: ClassVar[str] = "generate"

    @property
    def outputs(self) -> int:
        """K, or 0 where the pictures have no classes."""
        return len(self.names)

    def encode(self, raw: Sequence[Any] | NDArray[Any]) -> NDArray[np.int64]:
        """Names of classes as numbers: −1 for one that the training did not have, 0 for all where it had none."""
        if not self.names:
            return np.zeros(len(raw), np.int64)
        index = {name: number for number, name in enumerate(self.names)}
        return np.array([index.get(str(name), -1) for name in raw], dtype=np.int64)

    def prepare(self, targets: Tensor) -> Tensor:
        """What the network is told beside the noise: the class numbers as they are."""
        return targets

    def values(self, outputs: Tensor) -> Tensor:
        """The pictures as they come out."""
        return outputs.float()
