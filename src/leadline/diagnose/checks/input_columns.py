"""The inputs as numbers: their scales, what is constant, what is not finite."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from leadline.diagnose.readings import Columns
from leadline.diagnose.subject import GIVEN_ALONG

_FAR, _APART = 3.0, 100.0  # mean over deviation, and scale over the middle one, from which a column is named


def read_columns(inputs: Any) -> Columns:
    """Looks at the kept rows feature by feature, at pictures and series channel by channel.

    Of several inputs the worst numbers count: `worst` says of which.

    Args:
        inputs: [N, …], or tuples, lists and dicts of such tensors.

    Example:
        >>> columns = read_columns(torch.tensor([[1.0, 100.0], [2.0, 101.0], [3.0, 102.0]]))
        >>> round(columns.offset), columns.worst
        (124, ['column 1: mean 101, deviation 0.816'])
    """
    parts = [(name, part) for name, part in named_tensors(inputs) if part.numel()]
    if not parts:
        return Columns(kind="other")
    read = [_read(name, part) for name, part in parts]
    if len(read) == 1:
        return read[0]
    numbers = [each for each in read if each.kind != "tokens"] or read
    features = sum(each.features for each in numbers)
    return Columns(
        features=features,
        mean=sum(each.mean * each.features for each in numbers) / features,
        std=max(each.std for each in numbers),
        smallest=min(each.smallest for each in numbers),
        largest=max(each.largest for each in numbers),
        offset=max(each.offset for each in numbers),
        scale_ratio=max(each.scale_ratio for each in numbers),
        constant=sum(each.constant * each.features for each in numbers) / features,
        non_finite=sum(each.non_finite for each in read),
        worst=[word for each in numbers for word in each.worst][:5],
        kind=numbers[0].kind if len({each.kind for each in numbers}) == 1 else "other",
        length=max(each.length for each in read),
    )


def named_tensors(tree: Any, name: str = "") -> list[tuple[str, Tensor]]:
    """All tensors of a nest, each with its place in it, but for what holds the targets."""
    if isinstance(tree, Tensor):
        return [(name, tree)]
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, (tuple, list)) else ()
    return [
        found
        for key, part in parts
        if key != GIVEN_ALONG
        for found in named_tensors(part, f"{name}.{key}" if name else str(key))
    ]


def input_kind(part: Tensor) -> str:
    """numbers, pictures, tokens, series or other, by type and shape.

    Example:
        >>> [input_kind(torch.zeros(shape)) for shape in ((9, 4), (9, 3, 8, 8), (9, 20, 2))]
        ['numbers', 'pictures', 'series']
    """
    if part.dtype == torch.uint8 and part.ndim >= 3:
        return "pictures"
    if not part.is_floating_point():
        return "tokens"
    if part.ndim == 4 or (part.ndim == 3 and part.shape[1] == part.shape[2] > 4):
        return "pictures"
    return {1: "numbers", 2: "numbers", 3: "series"}.get(part.ndim, "other")


def by_feature(part: Tensor, kind: str) -> Tensor:
    """[M, F] in double precision: the channels of pictures, the variables of series [N, T, F], the columns of tables."""
    values = part.detach().double()
    if kind == "pictures" and part.ndim == 4:
        channels = 3 if part.shape[3] <= 4 < part.shape[1] else 1  # channels last, as pictures are stored
        return values.movedim(channels, -1).reshape(-1, part.shape[channels])
    if kind == "pictures":
        return values.reshape(-1, 1)
    if kind == "series":  # [N, T, F], or [N, C, T] where the last dimension is the longer one by far
        time_last = part.shape[2] > 4 * part.shape[1]
        return values.movedim(1, 2).reshape(-1, part.shape[1]) if time_last else values.reshape(-1, part.shape[2])
    return values.reshape(len(part), -1)


def _read(name: str, part: Tensor) -> Columns:
    kind = input_kind(part)
    if kind == "tokens":
        values = part.detach().double()
        return Columns(
            features=values[0].numel(),
            mean=float(values.mean()),
            std=float(values.std(correction=0)),
            smallest=float(values.min()),
            largest=float(values.max()),
            kind=kind,
            length=part.shape[1] if part.ndim > 1 else 1,
        )
    values = by_feature(part, kind)
    finite = torch.isfinite(values)
    broken = int((~finite).sum())
    if broken:
        values = torch.where(finite, values, torch.nan)
    count = finite.sum(0).clamp(min=1)
    mean = values.nansum(0) / count
    std = ((values - mean).square().nansum(0) / count).sqrt()
    # What is left of a constant column is rounding.
    constant = std <= 1e-7 * mean.abs() + 1e-30
    told = ~constant
    reach = torch.where(finite, values, -torch.inf).amax(0) - torch.where(finite, values, torch.inf).amin(0)
    # A column that is seldom another than 0 has a small deviation, and yet the scale of the others.
    ratio = min(_ratio(each[told], whole=kind == "pictures") for each in (std, reach))
    offset = float((mean[told].abs() / std[told]).max()) if bool(told.any()) else 0.0
    usable = values[finite]
    return Columns(
        features=values.shape[1],
        mean=float(mean.mean()),
        std=float(usable.std(correction=0)) if len(usable) else 0.0,
        smallest=float(usable.min()) if len(usable) else 0.0,
        largest=float(usable.max()) if len(usable) else 0.0,
        offset=offset,
        scale_ratio=ratio,
        constant=float(constant.double().mean()),
        non_finite=broken,
        worst=_worst(name, kind, mean, std, constant, finite),
        kind=kind,
        length=len(values) // len(part) if kind == "series" else 0,
    )


def _ratio(sizes: Tensor, *, whole: bool) -> float:
    """The largest over the smallest, of many columns the 95th over the 5th percentile; 1 of fewer than two."""
    if len(sizes) < 2:
        return 1.0
    high, low = (sizes.quantile(share, interpolation="nearest") for share in ((1.0, 0.0) if whole else (0.95, 0.05)))
    return float(high / low)


def _worst(name: str, kind: str, mean: Tensor, std: Tensor, constant: Tensor, finite: Tensor) -> list[str]:
    """Up to five columns that stand out, those that are not finite first."""
    of = f"{name}: " if name else ""
    word = {"pictures": "channel", "series": "variable"}.get(kind, "column")
    bad = [f"{of}{word} {at}: {int(count)} not finite" for at, count in enumerate((~finite).sum(0).tolist()) if count][:5]
    if bool((~constant).any()):
        middle = std[~constant].median()
        apart = torch.where(constant, 1.0, torch.maximum(std / middle, middle / std.clamp(min=1e-30)))
        far = torch.where(constant, 0.0, mean.abs() / std.clamp(min=1e-30))
        order = torch.maximum(apart / _APART, far / _FAR).argsort(descending=True)[:5].tolist()
        bad += [
            f"{of}{word} {at}: mean {float(mean[at]):.3g}, deviation {float(std[at]):.3g}"
            for at in order
            if apart[at] > _APART or far[at] > _FAR
        ]
    bad += [f"{of}{word} {at}: constant {float(mean[at]):.3g}" for at in constant.nonzero().flatten().tolist()[:2]]
    return bad[:5]
