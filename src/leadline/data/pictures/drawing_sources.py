"""The pictures of any source, with their classes where they have some, for a network that needs none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from leadline.data import labelling
from leadline.data.arrays import from_arrays, from_mapping
from leadline.data.idx import is_idx, parse_idx, read_idx, unpacked
from leadline.data.labelling import Meaning
from leadline.data.npz import arrays_of_npz
from leadline.data.pictures.folders import has_classes, part_named, pictures_below
from leadline.data.pictures.labels_csv import find_csv
from leadline.data.pictures.pictures_cache import decode_all
from leadline.data.raw import Raw
from leadline.data.sources import KNOWN, SEPARATOR, Reading, read_raw
from leadline.errors import DataError, SourceNotFoundError

_AT_ONCE = 512  # pictures scaled together


def pictures_of(source: Any, targets: Any, reading: Reading) -> tuple[Raw, Meaning]:
    """The pictures of a source, and the class of each; "" for all where they have none.

    Args:
        source: as `data.load` takes it, with targets or without; a folder of photos may be flat.
        targets: for arrays and lists of paths that have some.
        reading: how photos are read.

    Errors: `DataError` for what are no pictures; what reading the source raises.

    Example:
        >>> raw, meaning = pictures_of(np.zeros((3, 8, 8), np.uint8), None, Reading())
        >>> raw.array.shape, meaning.values.tolist()
        ((3, 8, 8, 1), ['', '', ''])
    """
    raw, labelled = _read(source, targets, reading)
    if not isinstance(raw.inputs, np.ndarray) or raw.inputs.ndim != 4:
        raise DataError(
            "Only pictures can be drawn so far",
            expected="a folder of photos, an IDX or .npz file of pictures, arrays [N, H, W] or [N, H, W, C], or a name",
            got=raw.name,
        )
    return _classes_of(raw, labelled)


def _classes_of(raw: Raw, labelled: bool) -> tuple[Raw, Meaning]:
    without = Meaning("classes", np.full(len(raw), "", dtype=str))
    if not labelled:
        return raw, without
    missing = labelling.without_label(raw.targets)
    if len(missing) == len(raw):
        return raw, without
    targets = raw.targets
    if missing:  # as a Meaning is of all rows, these get a sound target that is not read
        targets = targets.copy()
        targets[list(missing)] = targets[next(row for row in range(len(raw)) if row not in missing)]
    meaning = labelling.interpret(targets, None, raw.columns)
    if meaning.task != "classes":
        note = (
            f"Its targets are {'several labels' if meaning.task == 'labels' else 'numbers'} and no classes, and are not used."
        )
        return replace(raw, notes=(*raw.notes, note)), without
    if len(np.unique(meaning.values)) < 2:
        return raw, without
    return replace(raw, bad={**missing, **raw.bad}), meaning


def _read(source: Any, targets: Any, reading: Reading) -> tuple[Raw, bool]:
    """The rows of a source, and whether their targets are its own."""
    if isinstance(source, (str, Path)) and targets is None:
        return _read_path(source, reading)
    if isinstance(source, Mapping):
        return _of_mapping(source, "arrays")
    listed = isinstance(source, (list, tuple)) and bool(source) and all(isinstance(each, (str, Path)) for each in source)
    if listed and targets is None:
        return _photos(Path("/"), [str(Path(each).absolute()) for each in source], "photos", reading), False
    if targets is None and not isinstance(source, tuple):
        return from_arrays(source, np.zeros(len(source), np.int64)), False
    return read_raw(source, targets, reading), True


def _read_path(source: str | Path, reading: Reading) -> tuple[Raw, bool]:
    if str(source) in KNOWN or SEPARATOR in str(source):
        return read_raw(source, None, reading), True
    path = Path(source).expanduser().absolute()
    if path.is_dir() and (names := [each.relative_to(path).as_posix() for each in pictures_below(path)]):
        return _read_photos(path, names, reading)
    if path.suffix.casefold() == ".npz" and path.is_file():
        return _of_mapping(arrays_of_npz(path), path.stem)
    if path.is_file() and _holds_idx(path):
        try:
            return read_idx(path), True
        except SourceNotFoundError:  # no labels beside it
            pictures = parse_idx(unpacked(path), str(path))
            return from_arrays(pictures, np.zeros(len(pictures), np.int64), name=path.parent.name), False
    return read_raw(source, None, reading), True


def _read_photos(root: Path, names: list[str], reading: Reading) -> tuple[Raw, bool]:
    """Photos with the classes of their folders or of a csv, or of no class; of either kind divided where folders say so."""
    if reading.target or find_csv(root) is not None or has_classes(root):
        try:
            return read_raw(root, None, reading), True
        except DataError:
            if reading.target:
                raise
    return _photos(root, names, root.name, reading), False


def _photos(root: Path, names: list[str], name: str, reading: Reading) -> Raw:
    parts = [part_named(each.split("/")[0]) if "/" in each else None for each in names]
    kept, notes = names, []
    if divided := "train" in parts:
        kept = [each for each, part in zip(names, parts, strict=True) if part]
        if beside := len(names) - len(kept):
            notes.append(f"{beside:,} photos are in none of the folders train, valid and test, and left out.")
    decoded = decode_all(
        root,
        kept,
        shape=reading.shape,
        size=reading.size,
        channels=reading.channels,
        cache=reading.cache,
        progress=reading.progress,
    )
    return Raw(
        name=name,
        inputs=decoded.pictures,
        targets=np.zeros(len(kept), np.int64),
        ids=kept,
        parts=np.array([part for part in parts if part]) if divided else None,
        notes=(*notes, *decoded.notes),
        bad=decoded.bad,
        copies=decoded.copies,
        digest=decoded.digest,
    )


def _of_mapping(arrays: Mapping[str, Any], name: str) -> tuple[Raw, bool]:
    """Arrays by key, with targets of 0 for pictures that have none beside them."""
    whole, labelled = dict(arrays), True
    for key in arrays:
        beside = _targets_beside(key)
        if beside is not None and not any(each in arrays for each in beside):
            whole[beside[0]], labelled = np.zeros(len(arrays[key]), np.int64), False
    return from_mapping(whole, name=name), labelled


def _targets_beside(key: str) -> Sequence[str] | None:
    """The keys under which the targets of these inputs may stand; None for what are no inputs."""
    if key in ("inputs", "x"):
        return ("targets",) if key == "inputs" else ("y",)
    if key.startswith("x_"):
        return (f"y_{key[2:]}",)
    if key in ("train", "valid", "val", "validation", "test"):
        return (f"{key}_targets",)
    return (f"{key.removesuffix('_inputs')}_targets",) if key.endswith("_inputs") else None


def _holds_idx(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4)
    return is_idx(head) or (head[:2] == b"\x1f\x8b" and is_idx(unpacked(path)[:4]))


def scaled(pictures: NDArray[Any], side: int) -> NDArray[Any]:
    """The middle square of each picture, its side made so many pixels, without aliasing.

    Shapes: [N, H, W, C], uint8 or float32 → [N, side, side, C] of the same type.

    Args:
        pictures: as stored.
        side: pixels.

    Example:
        >>> scaled(np.full((2, 30, 40, 1), 7, np.uint8), 28).shape
        (2, 28, 28, 1)
    """
    height, width = pictures.shape[1:3]
    square = min(height, width)
    top, left = (height - square) // 2, (width - square) // 2
    parts = []
    for start in range(0, len(pictures), _AT_ONCE):
        cut = np.ascontiguousarray(pictures[start : start + _AT_ONCE, top : top + square, left : left + square])
        rows = torch.from_numpy(cut).permute(0, 3, 1, 2).float()
        rows = F.interpolate(rows, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
        made = rows.permute(0, 2, 3, 1).numpy()
        parts.append(np.rint(made).clip(0, 255).astype(np.uint8) if pictures.dtype == np.uint8 else made.astype(pictures.dtype))
    return np.concatenate(parts)
