"""One copy of features: computed in one pass, written as it comes, read back as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline import files
from leadline.transfer.extracting import Extraction
from leadline.transfer.halving import Halving
from leadline.transfer.storing import Place, checksum, gathered, make_room, mapped_array, write_arrays

_MOST_KEPT = 10_000_000_000  # bytes in the cache folder; those that were not used for longest go first
_FIRST = 512  # rows from which centre and scale are learned


@dataclass(frozen=True)
class KeptCopy:
    """Features [N, D] of one copy of some rows, as they are stored, and what turns them back.

    Example:
        >>> KeptCopy(np.ones((2, 3), np.float32), None, None).read(slice(1, 2)).tolist()
        [[1.0, 1.0, 1.0]]
    """

    stored: NDArray[Any]
    halving: Halving | None
    path: Path | None

    def read(self, rows: NDArray[np.integer] | slice) -> Tensor:
        """Features float32 of these rows."""
        stored = self.stored[rows]
        return torch.from_numpy(self.halving.read(stored) if self.halving is not None else np.array(stored, np.float32))


class _TooLarge(Exception):  # noqa: N818 - not an error, but the reason to begin again
    def __init__(self, which: int) -> None:
        super().__init__()
        self.which = which


def computed_copies(
    extraction: Extraction, paths: Sequence[Path], columns: Sequence[slice] = (slice(None),)
) -> list[tuple[KeptCopy, str]]:
    """Some columns of features for each path, written there from one pass, each with a note on what a person should know.

    Where a feature turns out too large for half precision, a second pass writes those of its path in single precision. Where
    nothing can be written, they stay in memory.

    Args:
        extraction: computes them; its rows are those of all paths.
        paths: of the .npy files; what turns them back lies beside each.
        columns: of the features of the extraction, for each path.

    Example:
        >>> import tempfile
        >>> from leadline.data import Classes, Schema, Split, Vectors
        >>> rows = np.arange(12, dtype=np.float32).reshape(6, 2)
        >>> split, schema = Split(rows, np.zeros(6, np.int64), list("abcdef")), Schema(Vectors.learn(rows), Classes(("a", "b")))
        >>> folder = Path(tempfile.mkdtemp())
        >>> extraction = Extraction(torch.nn.Linear(2, 3), split, schema)
        >>> ((kept, note),) = computed_copies(extraction, [folder / "a.npy"])
        >>> kept.stored.shape, sorted(path.name for path in folder.iterdir())
        ((6, 3), ['a.json', 'a.npy'])
    """
    first = extraction.first(_FIRST)
    halvings: list[Halving | None] = [Halving.learn(first[:, own]) for own in columns]
    widths, rows = [first[:, own].shape[1] for own in columns], len(extraction.split)
    notes = [""] * len(paths)
    while True:
        dtypes = ["float16" if halving is not None else "float32" for halving in halvings]
        places = [Place(path, (rows, width), dtype) for path, width, dtype in zip(paths, widths, dtypes, strict=True)]
        try:
            arrays, reason = _written(places, lambda: _as_stored(extraction.parts(), columns, halvings))
            break
        except _TooLarge as found:
            halvings[found.which] = None
            notes[found.which] = "Some features are too large for half precision, so they are kept in single precision."
    kept = []
    for place, array, halving, note in zip(places, arrays, halvings, notes, strict=True):
        if reason:
            told = f"The features could not be kept in {place.path.parent} ({reason}), so each start computes them anew."
            kept.append((KeptCopy(array, halving, None), joined_notes([note, told])))
            continue
        record = {"shape": place.shape, "checksum": checksum(array), "halving": halving.to_json() if halving else None}
        try:
            files.write_json(place.path.with_suffix(".json"), record)
        except OSError as error:
            note = f"What belongs to the features could not be kept in {place.path.parent} ({error})."
        kept.append((KeptCopy(array, halving, place.path), note))
    return kept


def _written(places: Sequence[Place], parts: Callable[[], Iterator[list[NDArray[Any]]]]) -> tuple[list[NDArray[Any]], str]:
    """The arrays, memory-mapped where they could be written; else in memory, and the reason."""
    try:
        make_room(places[0].path.parent, _MOST_KEPT)
        write_arrays(places, parts())
        stored = [mapped_array(place.path, place.shape) for place in places]
        mapped = [array for array in stored if array is not None]
        if len(mapped) == len(places):
            return mapped, ""
        reason = "the file is not what was written"
    except OSError as error:
        if isinstance(error, ConnectionError):
            raise
        reason = error.strerror or str(error)
    return gathered(places, parts()), reason


def _as_stored(
    parts: Iterator[NDArray[np.float32]], columns: Sequence[slice], halvings: Sequence[Halving | None]
) -> Iterator[list[NDArray[Any]]]:
    for part in parts:
        stored = []
        for which, (own, halving) in enumerate(zip(columns, halvings, strict=True)):
            values = part[:, own] if halving is None else halving.store(part[:, own])
            if values is None:
                raise _TooLarge(which)
            stored.append(values)
        yield stored


def joined_notes(notes: Sequence[str]) -> str:
    """Each note once, as one text.

    Example:
        >>> joined_notes(["One.", "", "One.", "Two."])
        'One. Two.'
    """
    return " ".join(dict.fromkeys(note for note in notes if note))
