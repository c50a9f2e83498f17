"""Features of a frozen part, computed once: kept in the cache folder for every epoch, head and start to come."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline.data.caching import cache_folder
from leadline.data.dataset import Split
from leadline.data.pictures.augment import Augment
from leadline.data.ragged import Ragged
from leadline.data.schema import Schema
from leadline.errors import ArgumentError, DataError
from leadline.transfer.extracting import Extraction
from leadline.transfer.halving import Halving
from leadline.transfer.kept_copies import KeptCopy, computed_copies, joined_notes
from leadline.transfer.networks import width_of
from leadline.transfer.storing import checksum, mapped_array, read_record, touch

_FORMAT = 2  # of what is kept; part of the key
_CHUNK = 1 << 25  # bytes hashed at a time
_AGREE = 0.02  # of a feature's spread


@dataclass(frozen=True)
class KeptFeatures:
    """Features of the rows of a split: of the rows as they are, then of each changed copy.

    `reused` says that earlier starts had computed all of them, `seconds` what it took now, and `note` what a person should
    know: where they could not be kept, or not in half precision.

    Example:
        >>> kept = KeptFeatures((KeptCopy(np.ones((2, 3), np.float32), None, None),), False, 0.1)
        >>> kept.rows(np.array([1])).tolist(), len(kept.copies)
        ([[1.0, 1.0, 1.0]], 1)
    """

    copies: tuple[KeptCopy, ...]
    reused: bool
    seconds: float
    note: str = ""

    @property
    def path(self) -> Path | None:
        """Where those of the rows as they are lie."""
        return self.copies[0].path

    def rows(self, rows: NDArray[np.integer] | slice | None = None, *, copy: int = 0) -> Tensor:
        """Features float32 [N, D] of these rows, or of all; copy 0 is of the rows as they are, the others of changed ones."""
        return self.copies[copy].read(slice(None) if rows is None else rows)

    def all_copies(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Features [copies · N, D] and the targets beside them: all copies as rows of their own, copy after copy."""
        count = len(self.copies)
        return torch.cat([self.rows(copy=copy) for copy in range(count)]), torch.cat([targets] * count)


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
    preprocessing and the rows themselves; of a changed copy also of its number, the augmentation and the seed. So more copies,
    or none, find what is there already.

    Shapes: split inputs [N, …] → [N, D] for each copy.

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
    started, folder = time.perf_counter(), cache_folder(cache) / "features"
    key = _key(backbone, _rows_key(split, schema))
    reused, notes, kept = True, list[str](), list[KeptCopy]()
    for copy in range(copies):
        path = folder / f"{key if not copy else _changed_key(key, augment, seed, copy)}.npy"
        found = _open(path, len(split))
        if found is None:
            extraction = Extraction(backbone, split, schema, augment=augment, copy=copy, seed=seed, device=device)
            ((found, note),) = computed_copies(extraction, [path])
            reused = False
            notes.append(note)
        kept.append(found)
    return KeptFeatures(tuple(kept), reused, time.perf_counter() - started, joined_notes(notes))


def keep_depths(
    backbones: Sequence[nn.Module],
    together: nn.Module | None,
    split: Split,
    schema: Schema,
    *,
    cache: Path | str | None = None,
) -> list[KeptFeatures]:
    """The same for several backbones that are parts of one network: what is missing of them comes from one pass.

    Args:
        backbones: give [B, Dₖ]; what is kept is kept as theirs.
        together: gives what all of them give, side by side, as `depths_together` makes it; None computes each by itself.
        split: the rows.
        schema: prepares the inputs.
        cache: the cache folder; the user's, by default.

    Errors: as `keep_features`.

    Example:
        >>> import tempfile
        >>> from leadline.data import Classes, Vectors
        >>> rows = np.arange(12, dtype=np.float32).reshape(6, 2)
        >>> split = Split(rows, np.zeros(6, np.int64), list("abcdef"))
        >>> schema = Schema(Vectors.learn(rows), Classes(("no", "yes")))
        >>> [kept.rows().shape for kept in keep_depths([nn.Linear(2, 3), nn.Linear(2, 4)], None, split, schema,
        ...                                            cache=tempfile.mkdtemp())]
        [torch.Size([6, 3]), torch.Size([6, 4])]
    """
    started, folder, rows = time.perf_counter(), cache_folder(cache) / "features", _rows_key(split, schema)
    paths = [folder / f"{_key(backbone, rows)}.npy" for backbone in backbones]
    found = {at: kept for at, path in enumerate(paths) if (kept := _open(path, len(split))) is not None}
    missing, notes = [at for at in range(len(paths)) if at not in found], dict.fromkeys(range(len(paths)), "")
    if together is not None and len(missing) > 1:
        widths = [width_of(backbone, schema.inputs.shape) for backbone in backbones]
        columns = [slice(sum(widths[:at]), sum(widths[: at + 1])) for at in missing]
        made = computed_copies(Extraction(together, split, schema), [paths[at] for at in missing], columns)
    else:
        made = [computed_copies(Extraction(backbones[at], split, schema), [paths[at]])[0] for at in missing]
    for at, (kept, note) in zip(missing, made, strict=True):
        found[at], notes[at] = kept, note
    seconds = (time.perf_counter() - started) / len(paths)
    return [KeptFeatures((found[at],), at not in missing, seconds, notes[at]) for at in range(len(paths))]


def _open(path: Path, rows: int) -> KeptCopy | None:
    """What is kept under a key, or None where it is missing or damaged."""
    record = read_record(path.with_suffix(".json"))
    try:
        stored = mapped_array(path, tuple(record["shape"]))
        if stored is None or stored.ndim != 2 or len(stored) != rows or checksum(stored) != record["checksum"]:
            return None
        halving = Halving.from_json(record["halving"]) if record["halving"] else None
        if (halving is None) != (stored.dtype == np.float32):
            return None
    except (KeyError, TypeError, ValueError):
        return None
    touch(path)
    return KeptCopy(stored, halving, path)


def _rows_key(split: Split, schema: Schema) -> str:
    """Of the rows and their preprocessing: hashed once, however many networks see them."""
    if not len(split):
        raise ArgumentError("There are no rows to compute features of")
    whole = hashlib.sha256(json.dumps([_FORMAT, schema.to_json()["inputs"]]).encode())
    if isinstance(split.inputs, Ragged):
        whole.update(split.inputs.digest().encode())
    else:
        whole.update(f"{split.inputs.shape} {split.inputs.dtype}".encode())
        _hash_rows(whole.update, split.array)
    return whole.hexdigest()


def _key(backbone: nn.Module, rows: str) -> str:
    whole = hashlib.sha256(rows.encode())
    whole.update(repr(backbone).encode())  # layers without weights, and where it was cut
    for name, tensor in sorted([*backbone.named_parameters(), *backbone.named_buffers()], key=lambda pair: pair[0]):
        whole.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        _hash_rows(whole.update, tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return whole.hexdigest()


def _changed_key(key: str, augment: Augment | None, seed: int, copy: int) -> str:
    return hashlib.sha256(f"{key} {augment!r} {seed} {copy}".encode()).hexdigest()


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
    live = torch.from_numpy(Extraction(backbone, split.take(chosen), schema).first(len(chosen)))
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
