"""Arrays as a source: NumPy, torch or lists, with or without the caller's own parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.maps_as_features import PICTURE_CHANNELS, rows_of_maps
from leadline.data.pictures.pictures import whole_bytes
from leadline.data.raw import PARTS, Raw
from leadline.data.series.series_rows import series_from_arrays
from leadline.errors import ArgumentError, DataError

_SMALLEST = 4  # pixels a side; [N, 3, 3] is more likely a small matrix than a picture
_KEYS = (
    "inputs and targets, or train, train_targets, test, test_targets (and valid, valid_targets), "
    "or x_train, y_train, x_test, y_test (and x_valid, y_valid)"
)
_UNDERSTOOD = (
    "[N, D] numbers, or pictures [N, H, W], [N, H, W, C] or [N, C, H, W] with 1 to 4 channels, "
    "or maps of features with at least 16 channels; series [N, T, C] with 1 to 3 channels, fewer than steps"
)


def from_arrays(inputs: Any, targets: Any, *, name: str = "arrays") -> Raw:
    """Inputs [N, …] and targets [N] or [N, L] without parts; the id of a row is "row:17".

    Raises:
        DataError: they differ in length, or are not numbers of a shape that is understood.

    Example:
        >>> from_arrays([[0.5, 1.0], [2.0, 3.0]], [0, 1]).ids
        ['row:0', 'row:1']
    """
    if targets is None:
        raise ArgumentError("The arrays have no targets", expected="load(inputs, targets)")
    return _raw({"row": (as_array(inputs, "inputs"), as_array(targets, "targets"))}, name)


def from_mapping(arrays: Mapping[str, Any], *, name: str = "arrays") -> Raw:
    """Arrays by key, as in a .npz file: with or without parts; the id of a row is "test:17" or "row:17".

    Raises:
        DataError: the keys are not those that are understood, or an array does not fit.

    Example:
        >>> raw = from_mapping({"train": [[1.0], [2.0]], "train_targets": [0, 1], "test": [[3.0]], "test_targets": [1]})
        >>> raw.ids, raw.parts.tolist()
        (['train:0', 'train:1', 'test:0'], ['train', 'train', 'test'])
    """
    for inputs, targets in (("inputs", "targets"), ("x", "y")):
        if inputs in arrays and targets in arrays:
            return _raw({"row": (as_array(arrays[inputs], inputs), as_array(arrays[targets], targets))}, name)
    found = {}
    for part in PARTS:
        keys = _keys(part, arrays)
        if keys:
            found[part] = (as_array(arrays[keys[0]], keys[0]), as_array(arrays[keys[1]], keys[1]))
    if "train" not in found:
        raise DataError("The keys of the arrays are not understood", expected=_KEYS, got=", ".join(sorted(arrays)) or "none")
    return _raw(found, name)


def as_array(value: Any, what: str) -> NDArray[Any]:
    """A NumPy array of whatever holds numbers or names: an array, a torch tensor on any device, nested lists, a data frame."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()
    try:
        return np.asarray(value)
    except ValueError as error:
        shapes = sorted({str(np.shape(row)) for row in value})[:4] if _rectangular(value) else []
        raise DataError(
            f"The {what} are not all of one shape", expected="rows of equal length", got=", ".join(shapes) or "rows that differ"
        ) from error


def understand(inputs: NDArray[Any]) -> tuple[NDArray[Any], str | None]:
    """Inputs as a Split stores them: float32 [N, D], or pictures [N, H, W, C] as uint8 or float32; and a note on a new type.

    Maps of features, as a network without its head gives them, become rows (`rows_of_maps`).

    Example:
        >>> understand(np.zeros((2, 3, 8, 8)))[0].shape, understand(np.zeros((2, 5), int))[0].dtype
        ((2, 8, 8, 3), dtype('float32'))
        >>> understand(np.zeros((2, 7, 7, 512)))[0].shape
        (2, 512)
    """
    if inputs.dtype.kind not in "biuf":
        raise DataError("The inputs are not numbers", expected=_UNDERSTOOD, got=f"values of type {inputs.dtype}")
    if inputs.ndim == 2 and inputs.shape[1] > 0:
        return _float32(inputs), None
    if (found := rows_of_maps(inputs)) is not None:
        return found
    pictures = inputs[..., None] if inputs.ndim == 3 else inputs
    if pictures.ndim == 4 and pictures.shape[3] not in PICTURE_CHANNELS and pictures.shape[1] in PICTURE_CHANNELS:
        pictures = pictures.transpose(0, 2, 3, 1)
    if pictures.ndim != 4 or pictures.shape[3] not in PICTURE_CHANNELS or min(pictures.shape[1:3]) < _SMALLEST:
        raise DataError("The inputs have a shape that is not understood", expected=_UNDERSTOOD, got=f"shape {inputs.shape}")
    if pictures.dtype == np.uint8:
        return np.ascontiguousarray(pictures), None
    if whole_bytes(pictures):
        note = "All values of the pictures are whole numbers from 0 to 255, so they are kept as bytes."
        return np.ascontiguousarray(pictures, dtype=np.uint8), note if pictures.dtype.kind == "f" else None
    return _float32(pictures), None


def is_narrow(shape: Sequence[int]) -> bool:
    """Whether inputs of this shape are series [N, T, C]: too narrow for pictures, and longer than they are wide.

    Example:
        >>> is_narrow((9, 50, 1)), is_narrow((9, 50, 3)), is_narrow((9, 3, 3)), is_narrow((9, 50, 4))
        (True, True, False, False)
    """
    return len(shape) == 3 and 1 <= shape[2] < min(_SMALLEST, shape[1])


def _raw(found: Mapping[str, tuple[NDArray[Any], NDArray[Any]]], name: str) -> Raw:
    for part, (inputs, targets) in found.items():
        if inputs.ndim == 0 or targets.ndim == 0:
            raise DataError("The inputs or targets are a single value", expected=_UNDERSTOOD)
        if len(inputs) != len(targets):
            where = "" if part == "row" else f" of {part}"
            raise DataError(
                f"The inputs and targets{where} differ in length",
                expected="one target for each input",
                got=f"{len(inputs):,} inputs and {len(targets):,} targets",
            )
    try:
        inputs = np.concatenate([pair[0] for pair in found.values()]) if len(found) > 1 else next(iter(found.values()))[0]
        targets = np.concatenate([pair[1] for pair in found.values()]) if len(found) > 1 else next(iter(found.values()))[1]
    except ValueError as error:
        shapes = ", ".join(f"{part} {pair[0].shape} and {pair[1].shape}" for part, pair in found.items())
        raise DataError(
            "The parts differ in shape", expected="the same shape but for the number of rows", got=shapes
        ) from error
    if len(inputs) == 0:
        raise DataError("The source holds no rows", expected=_UNDERSTOOD)
    parts = None if "row" in found else np.repeat(list(found), [len(pair[0]) for pair in found.values()])
    ids = [f"{part}:{row}" for part, pair in found.items() for row in range(len(pair[0]))]
    if is_narrow(inputs.shape) and inputs.dtype.kind in "biuf":
        return series_from_arrays(inputs, targets, name=name, parts=None if parts is None else parts.tolist(), ids=ids)
    stored, note = understand(inputs)
    return Raw(
        name=name,
        inputs=stored,
        targets=targets,
        ids=ids,
        parts=parts,
        notes=(note,) if note else (),
        bad=_not_finite(stored),
    )


def _keys(part: str, arrays: Mapping[str, Any]) -> tuple[str, str] | None:
    for word in {"valid": ("valid", "val", "validation")}.get(part, (part,)):
        for inputs, targets in ((word, f"{word}_targets"), (f"x_{word}", f"y_{word}"), (f"{word}_inputs", f"{word}_targets")):
            if inputs in arrays and targets in arrays:
                return inputs, targets
    return None


def _rectangular(value: Any) -> bool:
    """Whether each row by itself is an array, so that its shape can be told."""
    try:
        return len([np.shape(row) for row in value]) > 0
    except ValueError:
        return False


def _float32(values: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and its row is set aside
        return np.ascontiguousarray(values, dtype=np.float32)


def _not_finite(inputs: NDArray[Any]) -> dict[int, str]:
    if inputs.dtype != np.float32:
        return {}
    flat = inputs.reshape(len(inputs), -1)
    finite = np.concatenate([np.isfinite(flat[start : start + 4096]).all(axis=1) for start in range(0, len(flat), 4096)])
    return dict.fromkeys(np.flatnonzero(~finite).tolist(), "a value is not finite (NaN or infinity)")
