"""Changes of real and of drawn pictures alike, through which a gradient passes: so that few pictures are not learnt by heart.

The discriminator sees changed pictures only, and the generator, whose drawings are changed in the same ways, is not led to draw
the changes. Pictures are [N, C, H, W] with values in [−1, 1], 0 being the middle grey that is seen outside of a picture.
"""

from __future__ import annotations

import torch
from torch import Tensor

from leadline.data.pictures.augment import whole_steps
from leadline.data.pictures.augment_moves import moved, window_mask
from leadline.errors import ArgumentError, unknown

CHANGES = ("color", "shift", "cutout")
DRAWS = 7
"""How many uniform numbers `changed_pictures` needs for each picture."""
_SHIFT, _CUTOUT = 1 / 8, 1 / 2  # of the side, as published
_COLOR_CHANNELS = 3


def named_changes(text: str) -> tuple[str, ...]:
    """The changes that a text names, in the order in which they are done.

    Args:
        text: words of `CHANGES`, with commas between: "color, shift, cutout"; "" for none.

    Errors: `ArgumentError` for an unknown word, with the nearest right one.

    Example:
        >>> named_changes("cutout, shift"), named_changes("")
        (('shift', 'cutout'), ())
    """
    if not isinstance(text, str):
        raise ArgumentError("The changes are no text", expected="words such as 'color, shift, cutout'", got=repr(text))
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in CHANGES:
            unknown("change of the pictures", word, CHANGES)
    return tuple(change for change in CHANGES if change in words)


def changed_pictures(pictures: Tensor, draws: Tensor, changes: tuple[str, ...]) -> Tensor:
    """Each picture changed by itself, as its draws say; differentiable in the pictures.

    - color: + b with b in ±½; then for three channels the distance from the pixel's mean times s in 0 … 2, then the distance
      from the picture's mean times c in ½ … 1½.
    - shift: by whole pixels up to an eighth of the side, both ways; what comes in is 0.
    - cutout: a window of half of each side, its middle anywhere in the picture, becomes 0.

    Shapes: [N, C, H, W] → the same.

    Args:
        pictures: real or drawn.
        draws: uniform in [0, 1), [N, `DRAWS`].
        changes: as `named_changes` gives them.

    Errors: `ArgumentError` for shapes that do not fit.

    Example:
        >>> pictures = torch.ones(1, 1, 4, 4, requires_grad=True)
        >>> changed = changed_pictures(pictures, torch.full((1, DRAWS), 0.5), ("cutout",))
        >>> changed[0, 0].tolist()
        [[1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]]
        >>> changed.sum().backward()
        >>> pictures.grad.sum().item()
        12.0

    Source: Zhao et al. (2020), Differentiable augmentation for data-efficient GAN training.
    """
    if pictures.ndim != 4 or draws.shape != (len(pictures), DRAWS):
        raise ArgumentError(
            "The pictures cannot be changed",
            expected=f"pictures [N, C, H, W] and draws [N, {DRAWS}]",
            got=f"{list(pictures.shape)} and {list(draws.shape)}",
        )
    height, width = pictures.shape[2:]
    if "color" in changes:
        brightness, saturation, contrast = (draws[:, at, None, None, None] for at in range(3))
        pictures = pictures + (brightness - 0.5)
        if pictures.shape[1] == _COLOR_CHANNELS:
            pictures = torch.lerp(pictures.mean(1, keepdim=True), pictures, 2 * saturation)
        pictures = torch.lerp(pictures.mean((1, 2, 3), keepdim=True), pictures, 0.5 + contrast)
    if "shift" in changes:
        down, right = whole_steps(draws[:, 3], _SHIFT * height), whole_steps(draws[:, 4], _SHIFT * width)
        pictures = moved(pictures, down, right, None, "mean")
    if "cutout" in changes:
        window = window_mask(draws[:, 5:7], height, width, round(_CUTOUT * height), round(_CUTOUT * width))
        pictures = torch.where(window, 0.0, pictures)
    return pictures
