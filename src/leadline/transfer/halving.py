"""Half precision for features of any size: each is centred and scaled first, so that its spread keeps eleven bits."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_LARGEST = float(np.finfo(np.float16).max)
_ROOM = 4096.0  # deviations from the centre; the first rows tell little of the largest value to come


class Halving(NamedTuple):
    """Features as float16: stored = (f − centre) / scale, with a power of two for the scale, so that it costs no rounding.

    Example:
        >>> halving = Halving.learn(np.array([[1000.01, 0.0], [1000.02, 5e8]], np.float32))
        >>> back = halving.read(halving.store(np.array([[1000.015, 3e8]], np.float32)))
        >>> bool(abs(back[0, 0] - 1000.015) < 1e-4), bool(abs(back[0, 1] - 3e8) < 1e6)
        (True, True)
    """

    centre: NDArray[np.float32]
    scale: NDArray[np.float32]

    @classmethod
    def learn(cls, features: NDArray[np.float32]) -> Halving:
        """From the first rows [N, D]. A feature that does not vary in them gets the usual spread of the others."""
        wide = features.astype(np.float64)
        centre, spread = wide.mean(axis=0), wide.std(axis=0)
        # Features that are mostly zero stay exactly zero when they are.
        centre = np.where(np.abs(centre) <= 2 * spread, 0.0, centre)
        varying = spread[spread > 0]
        usual = float(np.median(varying)) if len(varying) else max(1.0, float(np.abs(centre).max()))
        reach = np.maximum(np.where(spread > 0, spread, usual), np.abs(wide - centre).max(axis=0) / (_LARGEST / _ROOM))
        exponents = np.clip(np.ceil(np.log2(np.maximum(reach, np.finfo(np.float32).tiny))), -126, 120)
        return cls(centre.astype(np.float32), np.exp2(exponents).astype(np.float32))

    def store(self, features: NDArray[np.float32]) -> NDArray[np.float16] | None:
        """Features [..., D] as float16, or None where one of them is too large for that."""
        with np.errstate(over="ignore"):
            stored = ((features - self.centre) / self.scale).astype(np.float16)
        return stored if np.isfinite(stored).all() else None

    def read(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Features [..., D] as they were, to eleven bits."""
        return stored.astype(np.float32) * self.scale + self.centre

    def to_json(self) -> dict[str, list[float]]:
        return {"centre": self.centre.tolist(), "scale": self.scale.tolist()}

    @staticmethod
    def from_json(record: dict[str, Any]) -> Halving:
        return Halving(np.array(record["centre"], np.float32), np.array(record["scale"], np.float32))
