"""Features of a frozen part, computed once: kept in the cache folder for every epoch, head and start to come."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline import files
from leadline.data.augment import Augment
from leadline.data.caching import cache_folder
from leadline.data.dataset import Split
from leadline.data.schema import Schema
from leadline.errors import ArgumentError, DataError
from leadline.transfer.extracting import Extraction
from leadline.transfer.halving import Halving
from leadline.transfer.storing import checksum, gathered, make_room, mapped_array, read_record, touch, write_array

_FORMAT = 1  # of what is kept; part of the key
_CHUNK = 1 << 25  # bytes hashed at a time
_AGREE = 0.02  # of a feature's spread
_MOST_KEPT = 10_000_000_000  # bytes in the cache folder; those that were not used for longest go first
_FIRST = 512  # rows from which centre and scale are learned


@dataclass(frozen=True)
class KeptFeatures:
    """Features [N, copies, D] of the rows of a split, as they are stored, with what turns them back.

    `reused` says that an earlier start had computed them, `seconds` what it took now, and `note` what a person should know:
    where they could not be kept, or not in half precision.

    Example:
        >>> kept = KeptFeatures(np.ones((2, 1, 3), np.float32), None, False, 0.1, None)
        >>> kept.rows(np.array([1])).tolist()
        [[1.0, 1.0, 1.0]]
    """

    stored: NDArray[Any]
    halving: Halving | None
    reused: bool
    seconds: float
    path: Path | None
    note: str = ""

    @property
    def copies(self) -> int:
        return int(self.stored.shape[1])

    def rows(self, rows: NDArray[np.integer] | slice | None = None, *, copy: int = 0) -> Tensor:
        """Features float32 [N, D] of these rows, or of all; copy 0 is of the rows as they are, the others of changed ones."""
        stored = self.stored[slice(None) if rows is None else rows, copy]
        return torch.from_numpy(self.halving.read(stored) if self.halving is not None else np.array(stored, np.float32))

    def all_copies(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Features [copies · N, D] and the targets beside them: all copies as rows of their own, copy after copy."""
        return torch.cat([self.rows(copy=copy) for copy in range(self.copies)]), torch.cat([targets] * self.copies)


def keep_features(
    backbone: nn.Module,
    split: Split,
    schema: Schema,
    *,
    augment: Augment | None = None,
    copies: int = 1,
    seed: int = 0,
    device: torch.device | None = None,
    cache: Path | str | None = None,
) -> KeptFeatures:
    """What a frozen backbone sees in each row of a split: from the cache folder, or computed in one pass and kept there.

    They are kept as float16, each feature centred and scaled, or as float32 where one does not fit into that; memory-mapped, so
    any number of rows can be used. The key is a SHA-256 of the weights and the layers of the backbone, the Schema's
    preprocessing, the rows themselves, the number of copies and, where there are several, the augmentation and the seed.

    Shapes: split inputs [N, …] → [N, copies, D].

    Args:
        backbone: gives [B, D] of prepared inputs, as `cut` makes it; is used in evaluation mode.
        split: the rows.
        schema: prepares the inputs.
        augment: makes the copies beyond the first, which is of the rows as they are.
        copies: of each row, at least 1.
        seed: of the augmentation.
        device: where to compute; where the backbone is, by default.
        cache: the cache folder; the user's, by default.

    Errors: `ArgumentError` for copies without an augmentation, or a backbone that does not give [B, D]; `DataError` for
        features that are no finite numbers. A full or read-only disk is no error: the features stay in memory, with a note.

    Example:
        >>> import tempfile
        >>> from leadline.data import Classes, Vectors
        >>> rows = np.arange(12, dtype=np.float32).reshape(6, 2)
        >>> split = Split(rows, np.zeros(6, np.int64), list("abcdef"))
        >>> schema, folder = Schema(Vectors.learn(rows), Classes(("no", "yes"))), tempfile.mkdtemp()
        >>> network = nn.Linear(2, 3)
        >>> [keep_features(network, split, schema, cache=folder).reused for _ in range(2)]
        [False, True]
    """
    if copies < 1 or (copies > 1 and (augment is None or not augment.active)):
        raise ArgumentError(
            "The copies of each row cannot be made", expected="1, or more and an augmentation that changes them", got=copies
        )
    if not len(split):
        raise ArgumentError("There are no rows to compute features of")
    started = time.perf_counter()
    changing = augment if copies > 1 else None
    extraction = Extraction(backbone, split, schema, augment=changing, copies=copies, seed=seed, device=device)
    folder, key = cache_folder(cache) / "features", _key(backbone, split, schema, changing, copies, seed)
    path = folder / f"{key}.npy"
    if (found := _open(path, len(split), copies)) is not None:
        touch(path)
        return KeptFeatures(*found, True, time.perf_counter() - started, path)
    first = extraction.first(_FIRST)
    shape = (len(split), copies, first.shape[-1])
    halving: Halving | None = Halving.learn(first.reshape(-1, shape[2]))
    try:
        stored, kept_at, note = _compute(extraction, path, shape, halving)
    except _TooLarge:
        halving = None
        stored, kept_at, note = _compute(extraction, path, shape, None)
        note = ("Some features are too large for half precision, so they are kept in single precision. " + note).strip()
    if kept_at is not None:
        record = {"shape": shape, "checksum": checksum(stored), "halving": halving.to_json() if halving else None}
        try:
            files.write_json(path.with_suffix(".json"), record)
        except OSError as error:
            note = f"What belongs to the features could not be kept in {folder} ({error})."
    return KeptFeatures(stored, halving, False, time.perf_counter() - started, kept_at, note)


class _TooLarge(Exception):  # noqa: N818 - not an error, but the reason to begin again
    pass


def _compute(
    extraction: Extraction, path: Path, shape: tuple[int, ...], halving: Halving | None
) -> tuple[NDArray[Any], Path | None, str]:
    dtype = "float32" if halving is None else "float16"
    try:
        make_room(path.parent, _MOST_KEPT)
        write_array(path, shape, dtype, _as_stored(extraction.parts(), halving))
        if (stored := mapped_array(path, shape)) is not None:
            return stored, path, ""
        reason = "the file is not what was written"
    except OSError as error:
        if isinstance(error, ConnectionError):
            raise
        reason = error.strerror or str(error)
    note = f"The features could not be kept in {path.parent} ({reason}), so each start computes them anew."
    return gathered(_as_stored(extraction.parts(), halving), shape, dtype), None, note


def _as_stored(parts: Iterator[NDArray[np.float32]], halving: Halving | None) -> Iterator[NDArray[Any]]:
    for part in parts:
        stored = part if halving is None else halving.store(part)
        if stored is None:
            raise _TooLarge
        yield stored


def _open(path: Path, rows: int, copies: int) -> tuple[NDArray[Any], Halving | None] | None:
    """What is kept under a key, or None where it is missing or damaged."""
    record = read_record(path.with_suffix(".json"))
    try:
        stored = mapped_array(path, tuple(record["shape"]))
        if stored is None or stored.shape[:2] != (rows, copies) or checksum(stored) != record["checksum"]:
            return None
        halving = Halving.from_json(record["halving"]) if record["halving"] else None
        return (stored, halving) if (halving is None) == (stored.dtype == np.float32) else None
    except (KeyError, TypeError, ValueError):
        return None


def _key(backbone: nn.Module, split: Split, schema: Schema, augment: Augment | None, copies: int, seed: int) -> str:
    whole = hashlib.sha256(json.dumps([_FORMAT, copies, schema.to_json()["inputs"]]).encode())
    if augment is not None:
        whole.update(f"{augment!r} {seed}".encode())
    whole.update(repr(backbone).encode())  # layers without weights, and where it was cut
    for name, tensor in sorted([*backbone.named_parameters(), *backbone.named_buffers()], key=lambda pair: pair[0]):
        whole.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        _hash_rows(whole.update, tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    whole.update(f"{split.inputs.shape} {split.inputs.dtype}".encode())
    _hash_rows(whole.update, split.inputs)
    return whole.hexdigest()


def _hash_rows(update: Callable[[Any], None], array: NDArray[Any]) -> None:
    step = max(1, _CHUNK // max(1, array[:1].nbytes))
    for start in range(0, len(array), step):
        update(np.ascontiguousarray(array[start : start + step]).data)


def check_features(
    backbone: nn.Module, kept: KeptFeatures, split: Split, schema: Schema, *, head: nn.Module | None = None, rows: int = 256
) -> float:
    """The largest difference between kept and live features, or a head's outputs, as a share of the spread of each.

    Half precision makes it some 0.0005 for features; more than 0.02 means that they are of something else.

    Args:
        backbone: that the features are of.
        kept: copy 0 is compared.
        split: the rows they are of.
        schema: prepares the inputs.
        head: is given both, and its outputs are compared instead.
        rows: so many, evenly spread.

    Errors: `DataError` where they differ: the cache is then of other data, or damaged.

    Example:
        >>> import tempfile
        >>> from leadline.data import Classes, Vectors
        >>> inputs = np.arange(12, dtype=np.float32).reshape(6, 2)
        >>> split = Split(inputs, np.zeros(6, np.int64), list("abcdef"))
        >>> schema, backbone = Schema(Vectors.learn(inputs), Classes(("no", "yes"))), nn.Linear(2, 3)
        >>> kept = keep_features(backbone, split, schema, cache=tempfile.mkdtemp())
        >>> check_features(backbone, kept, split, schema) < 0.005
        True
    """
    chosen = np.unique(np.linspace(0, len(split) - 1, min(rows, len(split))).astype(np.int64))
    live = torch.from_numpy(Extraction(backbone, split.take(chosen), schema).first(len(chosen))[:, 0])
    stored = kept.rows(chosen)
    if head is not None:
        with torch.no_grad():
            where = next(head.parameters()).device
            live, stored = head(live.to(where)).cpu(), head(stored.to(where)).cpu()
    spread = live.std(0, correction=0) if len(live) > 1 else live.abs().amax(0)
    spread = spread.clamp(min=max(1e-6, 0.01 * float(spread.max())))
    worst = float(((live - stored).abs() / spread).max())
    if not worst <= _AGREE:
        raise DataError(
            "Kept features are not those that the network gives now",
            expected=f"a difference below {_AGREE} of their spread",
            got=f"{worst:.3g}",
            do=f"Delete {kept.path or 'the folder of kept features'} and start again.",
        )
    return worst
