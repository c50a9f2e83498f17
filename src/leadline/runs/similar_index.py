"""Look-alikes by what a Run's network sees: an index of a folder of pictures, kept beside the Run and kept up to date."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.data.dataset import Excluded
from leadline.data.pictures.folders import pictures_below
from leadline.data.pictures.pictures import Pictures
from leadline.errors import ArgumentError, DataError, LeadlineError, SourceNotFoundError
from leadline.explain.look_alikes import PairCosines, nearest_by_features, pair_cosines, unit_rows
from leadline.runs.index_file import Entry, key_of, paths_for, read_index, write_index
from leadline.runs.run import Run

Progress = Callable[[int, int], None]

_BATCH = 256
_SAVED_EVERY = 60.0  # seconds after which work in hand is written, so that a kill loses no more than these
_COARSE = 2 * 10**9  # nanoseconds: a file changed so shortly before it was read may change again without another time
_GONE, _MOVING = "it went away while the folder was read", "it was changing while it was read"


@dataclass(frozen=True)
class SimilarIndex:
    """The features of all pictures of a folder, ready to be searched.

    `names` are relative to `folder`; `features` float16 [N, D], rows of length 1, memory-mapped; `path` is where they are kept
    (None where nothing can be written); `excluded` are pictures that could not be read; `notes` say what a person should know.

    Example:
        >>> import tempfile
        >>> import leadline
        >>> from PIL import Image
        >>> quick = {"model": "linear", "training.epochs": 1, "training.threads": 1}
        >>> run = leadline.train("digits", changes=quick, folder=tempfile.mkdtemp())
        >>> folder = Path(tempfile.mkdtemp())
        >>> for number, picture in enumerate(leadline.data.load("digits").test.inputs[:5]):
        ...     Image.fromarray(picture[:, :, 0]).save(folder / f"{number}.png")
        >>> index = index_of(run, folder)
        >>> name, cosine = index.nearest(folder / "3.png")[0]
        >>> name, round(cosine, 3)
        ('3.png', 1.0)
    """

    run: Run
    folder: Path
    names: Sequence[str]
    features: Tensor
    path: Path | None = None
    excluded: tuple[Excluded, ...] = ()
    notes: tuple[str, ...] = ()

    def nearest(self, picture: Any, count: int = 12) -> list[tuple[str, float]]:
        """The names of the pictures nearest to one, with their cosines, the nearest first.

        Args:
            picture: whatever `run.predict` takes as one picture. One that lies in the folder itself is found first.
            count: how many; all when there are fewer.

        Errors: a `LeadlineError` for what is no picture; `ArgumentError` for a count below 1.
        """
        features = self.run.predictor.features(np.ascontiguousarray(self.run.schema.inputs.encode(picture)[None]))
        rows, cosines = nearest_by_features(self.features, features[0], count)
        return [(self.names[row], float(cosine)) for row, cosine in zip(rows.tolist(), cosines.tolist(), strict=True)]

    def typical(self) -> PairCosines | None:
        """The cosines of pairs of its pictures drawn at random, by which a find is judged; None for fewer than three."""
        return pair_cosines(self.features)

    def name_of_file(self, path: Path | str) -> str | None:
        """The name under which a file stands here, or None."""
        with suppress(ValueError, OSError):
            name = Path(path).expanduser().resolve().relative_to(self.folder.resolve()).as_posix()
            return name if name in set(self.names) else None
        return None

    def __len__(self) -> int:
        return len(self.names)


def index_of(run: Run, folder: Path | str, *, progress: Progress | None = None) -> SimilarIndex:
    """The index of a folder for a Run's network: opened where there is one, and brought up to date.

    A file of the same size and time is taken for the same. Any other's content is hashed, and the network sees it only where no
    known file had this content: one that is renamed or touched costs no more than reading it. Files that are gone are dropped.

    Args:
        run: of a network trained on pictures.
        folder: with pictures at any depth; hidden files are passed over.
        progress: told (pictures looked at, pictures to look at).

    Errors: `SourceNotFoundError` where the folder is not there; `ArgumentError` for a network that was not trained on pictures;
        `DataError` where not one picture can be read.
    """
    inputs = run.schema.inputs
    if not isinstance(inputs, Pictures) or inputs.dtype != "uint8":
        got = "pictures of floats, whose units no file has" if isinstance(inputs, Pictures) else inputs.describe()
        raise ArgumentError("Look-alikes are found by a network that was trained on pictures", got=got)
    root = Path(folder).expanduser().absolute()
    key = key_of(run, root)
    paths = paths_for(run, key)
    if not root.is_dir():
        raise _no_folder(root, [path for path in paths if path.exists()])
    names = [path.relative_to(root).as_posix() for path in pictures_below(root)]
    if not names:
        raise DataError(f"There are no pictures in {root}", expected="jpg, png, webp, bmp, gif or tif files")
    path, entries, features, notes = _known(paths, key)
    work = _Update(run, root, entries, features)
    pending = work.begin(names)
    if work.changed:
        last = time.monotonic()
        try:
            for start in range(0, len(pending), _BATCH):
                work.look_at(pending[start : start + _BATCH])
                if progress is not None:
                    progress(min(start + _BATCH, len(pending)), len(pending))
                if time.monotonic() - last > _SAVED_EVERY:
                    write_index(paths, key, root, *work.whole())
                    last = time.monotonic()
        finally:
            path = write_index(paths, key, root, *work.whole())
        if path is None:
            notes.append(f"The index could not be kept in {paths[0].parent}, so the next search reads all pictures anew.")
    entries, features = work.whole() if path is None else read_index(path, key)
    kept = sorted((entry.row, name) for name, entry in entries.items() if entry.row >= 0)
    excluded = work.lost + [Excluded(name, entry.bad) for name, entry in entries.items() if entry.row < 0]
    if not kept:
        raise DataError(f"Not one of the {len(names):,} pictures in {root} can be read", got=excluded[0].reason)
    return SimilarIndex(
        run, root, [name for _, name in kept], features[: len(kept)], path, tuple(excluded), (*notes, *work.said())
    )


def _known(paths: Iterable[Path], key: str) -> tuple[Path | None, dict[str, Entry], Tensor, list[str]]:
    notes: list[str] = []
    for path in paths:
        try:
            return path, *read_index(path, key), notes
        except FileNotFoundError:
            continue
        except (ValueError, OSError):
            notes.append(f"The index {path} was damaged and has been made anew.")
    return None, {}, torch.zeros(0, 0, dtype=torch.float16), notes


def _no_folder(root: Path, kept: Sequence[Path]) -> SourceNotFoundError:
    if root.exists():
        return SourceNotFoundError(f"{root} is not a folder", expected="a folder of pictures")
    if kept:
        return SourceNotFoundError(
            f"The folder {root} is gone; its index is still there",
            do=f"Bring the folder back, name another, or remove the index: {kept[0]}",
        )
    return SourceNotFoundError(f"There is no folder {root}", do="Check the path.")


class _Update:
    """An index on its way from what it was to what the folder is now."""

    def __init__(self, run: Run, root: Path, entries: dict[str, Entry], features: Tensor) -> None:
        self.run, self.root, self.before, self.features = run, root, entries, features
        self.entries: dict[str, Entry] = {}
        self.lost: list[Excluded] = []
        self.changed = False
        self.counts = {"added": 0, "changed": 0, "gone": 0}

    def begin(self, names: Sequence[str]) -> list[str]:
        """Keep what is certainly the same, and return the names of the files that must be looked at."""
        pending = []
        for name in names:
            known = self.before.get(name)
            try:
                status = (self.root / name).stat()
            except OSError:
                self.lost.append(Excluded(name, _GONE))
                continue
            if known is not None and known.sure and (known.size, known.time) == (status.st_size, status.st_mtime_ns):
                self.entries[name] = known
            else:
                pending.append(name)
        self.counts["gone"] = len(self.before.keys() - set(names))
        self.changed = bool(pending) or self.entries.keys() != self.before.keys()
        if self.changed:
            self.features = self.features.clone()  # the file that they are mapped from is about to be replaced
            self.rows = {entry.digest: entry.row for entry in self.before.values()}
            self.reasons = {entry.digest: entry.bad for entry in self.before.values()}
        return pending

    def look_at(self, names: Sequence[str]) -> None:
        """Read some files, and show the network those whose content is new."""
        with ThreadPoolExecutor() as pool:
            seen = list(pool.map(self._read, names))
        entries: dict[str, Entry] = {}
        new: dict[str, NDArray[Any]] = {}
        for name, found in zip(names, seen, strict=True):
            if isinstance(found, str):
                self.lost.append(Excluded(name, found))
                continue
            entry, stored = found
            if (known := self.before.get(name)) is None:
                self.counts["added"] += 1
            elif known.digest != entry.digest:
                self.counts["changed"] += 1
            if isinstance(stored, str):
                entry = replace(entry, row=-1, bad=stored)
            elif stored is not None and entry.digest not in new:
                new[entry.digest] = stored
            entries[name] = entry
        if new:
            rows = unit_rows(self.run.predictor.features(np.stack(list(new.values()))))
            self.rows |= {digest: len(self.features) + at for at, digest in enumerate(new)}
            self.features = torch.cat([self.features, rows]) if len(self.features) else rows
        self.entries |= entries  # last, so that a break before has no entries without features

    def _read(self, name: str) -> tuple[Entry, NDArray[Any] | str | None] | str:
        """What the file is, and its pixels or why it has none, or None where its content is known; or why it cannot be read."""
        path = self.root / name
        try:
            for _ in range(2):
                before, now = path.stat(), time.time_ns()
                content = path.read_bytes()
                after = path.stat()
                same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
                if same and len(content) == after.st_size:
                    break
            else:
                return _MOVING
        except FileNotFoundError:
            return _GONE
        except OSError as error:
            return error.strerror or "it cannot be read"
        digest = hashlib.sha256(content).hexdigest()[:32]
        entry = Entry(after.st_size, after.st_mtime_ns, digest, 0, sure=now - after.st_mtime_ns > _COARSE)
        if digest in self.rows:
            return entry, self.reasons.get(digest) or None
        try:
            return entry, self.run.schema.inputs.encode(content)
        except LeadlineError as error:
            return entry, str(error)

    def whole(self) -> tuple[dict[str, Entry], Tensor]:
        """Entries and features as they are now, rows without a file left out."""
        rows: list[int] = []
        entries = {}
        for name, entry in self.entries.items():
            if entry.bad:
                entries[name] = entry
            else:
                entries[name] = replace(entry, row=len(rows))
                rows.append(self.rows[entry.digest])
        return entries, self.features[rows] if rows else torch.zeros(0, 1, dtype=torch.float16)

    def said(self) -> list[str]:
        if not self.before or not any(self.counts.values()):
            return []
        said = ", ".join(f"{count:,} {word}" for word, count in self.counts.items() if count)
        return [f"Pictures since the last time: {said}."]
