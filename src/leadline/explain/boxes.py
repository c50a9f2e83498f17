"""From a map to a box: the place that a network looks at, as a rectangle."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from leadline.errors import ArgumentError


class Box(NamedTuple):
    """A rectangle on a picture: the first row and column in it, and the first row and column beyond it.

    Example:
        >>> Box(2, 0, 6, 4).overlap(Box(2, 2, 6, 6))  # intersection over union
        0.3333333333333333
    """

    top: float
    left: float
    bottom: float
    right: float

    def overlap(self, other: Box) -> float:
        """Intersection over union, 0 for boxes apart and 1 for the same."""
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        width = min(self.right, other.right) - max(self.left, other.left)
        both = max(0.0, height) * max(0.0, width)
        areas = sum((each.bottom - each.top) * (each.right - each.left) for each in (self, other))
        return both / (areas - both) if areas > both else 0.0


def box_of(heat: NDArray[Any], *, share: float = 0.2) -> Box | None:
    """The box around the largest connected region of a map that lies above a share of its peak; None for a map without one.

    Region: places (h, w) with map(h, w) ≥ share · max map, connected along rows and columns.

    Shapes: [H, W] → a box in its rows and columns. Enlarge a coarse map first, for a box in pixels.

    Args:
        heat: a map whose values above 0 speak for something.
        share: of the peak, in (0, 1].

    Errors: `ArgumentError` for another shape, another share, or values that are not finite.

    Example:
        >>> heat = np.zeros((8, 8))
        >>> heat[2:5, 3:7], heat[7, 0] = 1.0, 1.0
        >>> box_of(heat)
        Box(top=2, left=3, bottom=5, right=7)

    Source: Zhou et al. (2016), Learning deep features for discriminative localization, section 3.2, for the share of 0.2.
    """
    heat = np.asarray(heat)
    if heat.ndim != 2 or not 0 < share <= 1 or not np.isfinite(heat).all():
        raise ArgumentError(
            "There is no box to find", expected="a finite map [H, W] and a share in (0, 1]", got=(list(heat.shape), share)
        )
    if not heat.size or heat.max() <= 0:
        return None
    from scipy import ndimage

    regions, _ = ndimage.label(heat >= share * heat.max())
    largest = int(np.bincount(regions.ravel())[1:].argmax()) + 1  # 0 is what lies below; of equal ones the first
    rows, columns = ndimage.find_objects(regions, max_label=largest)[-1]
    return Box(rows.start, columns.start, rows.stop, columns.stop)


def enlarged(heat: NDArray[Any], height: int, width: int) -> NDArray[np.float32]:
    """A map at another size, its values drawn out linearly between the middles of its places.

    Shapes: [..., H', W'] → [..., height, width].

    Args:
        heat: the map, or several.
        height: rows of the result.
        width: columns of the result.

    Errors: `ArgumentError` for a size below 1.

    Example:
        >>> enlarged(np.array([[0.0, 1.0]]), 1, 4)
        array([[0.  , 0.25, 0.75, 1.  ]], dtype=float32)
    """
    if min(height, width) < 1 or np.ndim(heat) < 2:
        raise ArgumentError("A map cannot have this size", expected="[..., H, W] and at least 1 × 1", got=(height, width))
    values = torch.from_numpy(np.array(heat, dtype=np.float32))
    flat = values.reshape(1, -1, *values.shape[-2:])
    larger = torch.nn.functional.interpolate(flat, (height, width), mode="bilinear", align_corners=False)
    return larger.reshape(*values.shape[:-2], height, width).numpy()
