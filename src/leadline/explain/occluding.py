"""Occlusion: what an answer loses when a patch of the picture is covered."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.explain.passes import ClassNumbers, array_of, chosen_outputs, in_use, outputs_for, taken

_PATCHES = 7  # across the shorter side, when no size is given


def occlusion(
    module: nn.Module,
    inputs: Tensor,
    classes: ClassNumbers,
    *,
    patch: int | None = None,
    stride: int | None = None,
    fill: float | Tensor = 0.0,
    finish: Callable[[Tensor], Tensor] | None = None,
    batch: int = 64,
) -> NDArray[np.float32]:
    """How far the score of a class falls when a square patch is covered, at each pixel the mean over the patches on it.

    map(h, w) = mean over patches P ∋ (h, w) of  s(x) − s(x with P = fill). Below 0 the patch spoke against the class.

    Shapes: inputs [B, C, H, W] and classes [B] → [B, H, W]; classes [B, T] → [B, T, H, W].

    Args:
        module: any function of pictures that answers [B, K]; it needs neither a map nor a gradient.
        inputs: prepared pictures.
        classes: numbers of outputs, one for each picture, or T for each.
        patch: its side in pixels; a seventh of the picture's shorter side when left out.
        stride: pixels from one patch to the next; half a patch when left out. The last one ends at the border.
        fill: what covers it, in prepared units: one number (0 is the mean colour of the training), or a tensor [C] or [B, C].
            On pictures with a ground, `edge_color` takes something away where grey would put something there.
        finish: outputs [B, K] → scores [B, K]; the outputs themselves when left out.
        batch: covered pictures in one pass.

    Errors: `ArgumentError` for a patch or stride that does not fit the picture, and for what `grad_cam` refuses.

    Example:
        >>> bright = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())
        >>> x = torch.zeros(1, 1, 9, 9)
        >>> x[0, 0, 2, 6] = 1.0
        >>> found = occlusion(bright, x, [0], patch=3, stride=3)[0]
        >>> found.sum(), found[0:3, 6:9].min()
        (np.float32(9.0), np.float32(1.0))

    Source: Zeiler and Fergus (2014), Visualizing and understanding convolutional networks, section 4.2.
    """
    with in_use(module), torch.no_grad():
        x = taken(module, inputs)
        height, width = x.shape[2:]
        side = max(1, round(min(height, width) / _PATCHES)) if patch is None else patch
        step = max(1, side // 2) if stride is None else stride
        if not 1 <= side <= min(height, width) or not 1 <= step <= side or batch < 1:
            raise ArgumentError(
                f"Patches cannot be laid over a picture of {height} × {width}",
                expected=f"1 ≤ stride ≤ patch ≤ {min(height, width)} and batch ≥ 1",
                got=f"patch {side}, stride {step}, batch {batch}",
            )
        scored = finish or (lambda outputs: outputs)
        outputs = outputs_for(module, x)
        chosen, single = chosen_outputs(outputs, classes)
        before = scored(outputs).gather(1, chosen)  # B, T
        places = [(row, column) for row in _starts(height, side, step) for column in _starts(width, side, step)]
        cover = torch.as_tensor(fill, device=x.device, dtype=x.dtype)
        if cover.shape not in ((), x.shape[1:2], x.shape[:2]):
            expected = f"a number, or a tensor [{x.shape[1]}] or {list(x.shape[:2])}"
            raise ArgumentError("The fill does not fit the pictures", expected=expected, got=list(cover.shape))
        cover = cover.expand(x.shape[:2])[:, :, None, None]
        total = torch.zeros(*chosen.shape, height, width, device=x.device, dtype=x.dtype)
        count = torch.zeros(height, width, device=x.device, dtype=x.dtype)
        at_once = max(1, batch // len(x))
        for start in range(0, len(places), at_once):
            part = places[start : start + at_once]
            covered = x.repeat(len(part), 1, 1, 1).view(len(part), *x.shape)
            for each, (row, column) in zip(covered, part, strict=True):
                each[:, :, row : row + side, column : column + side] = cover
            after = torch.cat([scored(outputs_for(module, some)) for some in torch.split(covered.flatten(0, 1), batch)])
            fallen = before - after.view(len(part), len(x), -1).gather(2, chosen.expand(len(part), -1, -1))  # P, B, T
            for each, (row, column) in zip(fallen, part, strict=True):
                total[:, :, row : row + side, column : column + side] += each[:, :, None, None]
                count[row : row + side, column : column + side] += 1
    maps = total / count
    return array_of(maps[:, 0] if single else maps)


def edge_color(inputs: Tensor) -> Tensor:
    """The median colour along the edge of each picture, for `occlusion` to cover with: mostly that of the ground.

    Shapes: [B, C, H, W] → [B, C].

    Example:
        >>> picture = torch.zeros(1, 1, 5, 5)
        >>> picture[:, :, 1:4, 1:4] = 1.0
        >>> edge_color(picture)
        tensor([[0.]])
    """
    sides = (inputs[:, :, 0], inputs[:, :, -1], inputs[:, :, :, 0], inputs[:, :, :, -1])
    return torch.cat(sides, dim=2).median(dim=2).values


def log_odds(outputs: Tensor) -> Tensor:
    """Logits of classes → the log of each class's odds against all others, which does not level off where one is certain.

    log(p / (1 − p)) = zₖ − log Σ over j ≠ k of exp zⱼ, the score to give to `occlusion` as `finish`.

    Shapes: [B, K] → [B, K], K ≥ 2.

    Args:
        outputs: logits of a softmax.

    Errors: `ArgumentError` for fewer than 2 classes.

    Example:
        >>> log_odds(torch.tensor([[3.0, 0.0], [200.0, 0.0]]))[:, 0]
        tensor([  3., 200.])
    """
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        raise ArgumentError("There are no odds", expected="logits [B, K] of at least 2 classes", got=list(outputs.shape))
    whole = outputs.logsumexp(dim=1, keepdim=True)
    largest = outputs.argmax(dim=1, keepdim=True)
    # For the largest 1 − p may round to 0, so the others are summed without it; each of the rest has at most half.
    beside = outputs.scatter(1, largest, -torch.inf).logsumexp(dim=1, keepdim=True)
    rest = whole + torch.log1p(-(outputs - whole).exp().clamp(max=0.5))
    return outputs - rest.scatter(1, largest, beside)


def _starts(size: int, side: int, step: int) -> list[int]:
    """Where patches begin along an axis: the last one ends with it."""
    return sorted({*range(0, size - side + 1, step), size - side})
