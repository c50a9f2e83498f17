"""Forecasts: what the outputs of a forecasting network mean, and how far the truth may be from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.errors import DataError

SHARE = 0.8  # of the truth that is to lie within the bounds


@dataclass(frozen=True)
class Forecasts:
    """M numbers at each of H steps to come.

    Targets and outputs are float32 [N, H, M] on the scale on which `Windows` learns each series; `Windows.in_units` brings them
    back. `spread` [H][M] is how far, on that scale, the given share of the validation truth was from the outputs at most.

    Example:
        >>> answers = Forecasts(("sold",), horizon=2)
        >>> errors = torch.arange(1.0, 10.0).view(9, 1, 1).expand(9, 2, 1)
        >>> answers.calibrated(torch.zeros(9, 2, 1), errors).spread
        ((8.0,), (8.0,))
    """

    names: tuple[str, ...]
    horizon: int
    spread: tuple[tuple[float, ...], ...] = ()
    share: float = SHARE
    task: ClassVar[str] = "forecast"

    def __post_init__(self) -> None:
        # JSON knows lists alone.
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "spread", tuple(tuple(row) for row in self.spread))

    @property
    def outputs(self) -> int:
        """M."""
        return len(self.names)

    def encode(self, raw: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
        """Scaled numbers to float32 [N, H, M]."""
        rows = np.asarray(raw, np.float32)
        if rows.ndim != 3 or rows.shape[1:] != (self.horizon, len(self.names)):
            raise DataError("The targets do not fit", expected=f"[N, {self.horizon}, {len(self.names)}]", got=list(rows.shape))
        return rows

    def prepare(self, targets: Tensor) -> Tensor:
        """What the loss compares with: the targets as they are stored."""
        return targets

    def values(self, outputs: Tensor) -> Tensor:
        """The outputs as they are: only with the series of each row can they be told in their units."""
        return outputs

    def calibrated(self, outputs: Tensor, targets: Tensor) -> Forecasts:
        """The same with the spread that the errors on rows of their own (the validation's) show.

        For each step and number the ⌈(N + 1) · share⌉-th smallest |error|, the largest where there are too few rows: then a new
        error, exchangeable with them, is at most as large with at least that probability.

        Args:
            outputs: [N, H, M].
            targets: [N, H, M].

        Source: Vovk, Gammerman and Shafer (2005), Algorithmic learning in a random world.
        """
        errors = (outputs - targets).abs().float().sort(dim=0).values
        place = min(len(errors), math.ceil(round((len(errors) + 1) * self.share, 9))) - 1
        return replace(self, spread=tuple(tuple(row) for row in errors[place].tolist()))

    def bounds(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Below and above what the truth is expected to be with the probability `share`, each [N, H, M], scaled.

        Raises:
            DataError: there is no spread yet.
        """
        if not self.spread:
            raise DataError("The forecasts have no spread yet", do="Calibrate them on validation rows first.")
        spread = torch.tensor(self.spread, dtype=outputs.dtype, device=outputs.device)
        return outputs - spread, outputs + spread
