"""From whatever a person gives to rows that are learned from by themselves, with the classes that the source brings, if any."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.data.arrays import as_array, from_arrays, from_mapping
from leadline.data.idx import find_pair, is_idx, parse_idx, read_idx, read_idx_folder, unpacked
from leadline.data.labelling import interpret, without_label
from leadline.data.named import NAMES, read_named
from leadline.data.npz import read_npz
from leadline.data.pictures.folders import has_classes, part_named, pictures_below
from leadline.data.pictures.labels_csv import find_csv, names_pictures
from leadline.data.pictures.pictures_cache import decode_all
from leadline.data.raw import PARTS, Raw
from leadline.data.sources import SEPARATOR, Reading, frame_of, nowhere, read_raw
from leadline.data.tables.arrow_frames import is_data_frame
from leadline.data.tables.bundled import BUNDLED, bundled_frame
from leadline.data.tables.frame import Frame
from leadline.data.tables.rows import rows_alone
from leadline.data.tables.table_files import is_table
from leadline.data.tables.target_columns import choose_targets, read_targets, target_cells
from leadline.errors import ArgumentError, DataError, LeadlineError, SourceNotFoundError

_TAKEN = "photos, a table, an .npz, .npy or IDX file, arrays, or one of digits, mnist, fashion-mnist, cifar10, iris …"
_INPUTS = ("inputs", "x", "data")  # keys of arrays without parts
_LABELLED = ("label", "labels", "class", "target", "anomaly", "outlier", "is_anomaly", "y")


class Unlabelled(NamedTuple):
    """Rows of a source, and the class of each as text, "" where there is none; `named` says whether there is any class.

    Example:
        >>> Unlabelled(from_arrays([[0.0], [1.0]], [0, 0]), np.array(["", ""])).named
        False
    """

    raw: Raw
    labels: NDArray[np.str_]

    @property
    def named(self) -> bool:
        return bool((self.labels != "").any())


def read_unlabelled(source: Any, targets: Any, reading: Reading) -> Unlabelled:
    """The rows of a source that learn from themselves.

    Args:
        source: as `data.load` takes it; arrays, lists of pictures and tables need no targets, and folders no classes.
        targets: classes of arrays, lists and data frames, where there are any.
        reading: `target` is the column of a table that holds classes.

    Raises:
        SourceNotFoundError: a path or name leads nowhere.
        DataError: what is there are no pictures, rows of numbers or columns.

    Example:
        >>> read_unlabelled(np.eye(3), None, Reading()).raw.ids
        ['row:0', 'row:1', 'row:2']
    """
    if isinstance(source, tuple) and len(source) == 2 and targets is None and not _are_paths(source):
        source, targets = source
    if (frame := _frame(source, targets, reading)) is not None:
        return _table(*frame, reading)
    if isinstance(source, (str, Path)):
        if targets is not None:
            raise ArgumentError("A path or a name brings its own classes", do="For a column of a table use target='column'.")
        return _checked(_of_path(source, reading), source)
    if isinstance(source, Mapping):
        return _checked(_of_mapping(source, "arrays"), source)
    if _are_paths(source):
        return _checked(_of_paths([str(path) for path in source], targets, reading), source)
    if isinstance(source, (list, tuple)) and source and all(isinstance(each, str) for each in source):
        raise _not_taken("texts")
    return _checked(_with_classes(from_arrays(source, _zeros(source) if targets is None else targets), targets), source)


def _frame(source: Any, targets: Any, reading: Reading) -> tuple[Frame, str | None] | None:
    """The rows of a table, and the name of its column of classes where nobody need say it; None for what is no table."""
    if isinstance(source, str) and source in BUNDLED:
        return bundled_frame(source)
    if isinstance(source, str) and source in NAMES:
        return None
    if isinstance(source, (str, Path)) and SEPARATOR not in str(source):
        path = Path(source).expanduser()
        if path.is_dir() and (find_pair(path) or any(True for _ in pictures_below(path))):
            return None
        if path.suffix.lower() == ".csv" and path.is_file() and names_pictures(path):
            return None
        if not path.exists():
            raise nowhere(source, path.absolute())
    if (frame := frame_of(source, reading, targets)) is None:
        return None
    return frame, (frame.data.columns[-1] if targets is not None and is_data_frame(source) else None)


def _table(frame: Frame, usual: str | None, reading: Reading) -> Unlabelled:
    """The columns of a table, without that of its classes where there is one."""
    wanted = reading.target or usual
    if wanted is None:
        return _without_classes(frame, reading)
    names, _ = choose_targets(frame.data, wanted)
    if len(names) > 1:
        raise ArgumentError("Rows that learn from themselves have one column of classes at most", got=" and ".join(names))
    raw = rows_alone(frame, reading, names)
    there = target_cells(frame.data[names[0]]).present
    labels = np.full(len(frame.ids), "", dtype=object)
    try:
        found = read_targets(frame.data.filter(there), names)
    except DataError:  # one value alone, or as many as rows: nothing to judge by
        found = None
    if found is None or found.task != "classes":
        note = f"The column {names[0]!r} names no classes: it is not learned from, and nothing is judged by it."
        return Unlabelled(replace(raw, notes=(*raw.notes, note)), labels.astype(str))
    labels[there] = found.values
    labels = labels.astype(str)
    return Unlabelled(replace(raw, targets=labels), labels)


def _without_classes(frame: Frame, reading: Reading) -> Unlabelled:
    raw = rows_alone(frame, reading, ())
    named = [name for name in frame.data.columns if name.strip().casefold() in _LABELLED]
    if len(named) == 1:
        note = f"The column {named[0]!r} is learned like the others; with --target {named[0]} it is kept to judge by."
        raw = replace(raw, notes=(*raw.notes, note))
    return Unlabelled(raw, raw.targets.astype(str))


def _of_path(source: str | Path, reading: Reading) -> Unlabelled:
    if isinstance(source, str) and source in NAMES:
        raw = read_named(source, cache=reading.cache, progress=reading.progress)
        return _with_classes(raw, raw.targets)
    path = Path(source).expanduser().absolute()
    if path.is_dir() and find_pair(path):
        raw = read_idx_folder(path)
        return _with_classes(raw, raw.targets)
    if path.is_dir() and any(True for _ in pictures_below(path)):
        return _photos(path, reading)
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _of_npz(path)
    if suffix == ".npy":
        return _of_npy(path)
    if suffix == ".csv":
        raw = read_raw(source, None, reading)
        return _with_classes(raw, raw.targets)
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(4)
        if is_idx(head) or (head[:2] == b"\x1f\x8b" and is_idx(unpacked(path)[:4])):
            return _of_idx(path)
    raise _not_taken(f"{path}, which is something else")


def _photos(path: Path, reading: Reading) -> Unlabelled:
    """Photos in class folders, beside a csv of labels, or just photos."""
    if reading.target or has_classes(path) or find_csv(path) is not None:
        try:
            raw = read_raw(path, None, reading)
            return _with_classes(raw, raw.targets)
        except DataError:
            if reading.target or has_classes(path):
                raise
    names = [each.relative_to(path).as_posix() for each in pictures_below(path)]
    folders = [part_named(name.split("/")[0]) if "/" in name else None for name in names]
    notes, parts = [], None
    if "train" in folders:
        if left := sum(part is None for part in folders):
            those = f"{left:,} of {len(names):,} photos"
            notes.append(f"{those} lie in none of the folders train, valid and test, and are left out.")
        names = [name for name, part in zip(names, folders, strict=True) if part is not None]
        parts = np.array([part for part in folders if part is not None])
    return _decoded(path, names, parts, path.name, notes, reading)


def _decoded(
    root: Path, names: list[str], parts: NDArray[np.str_] | None, name: str, notes: list[str], reading: Reading
) -> Unlabelled:
    found = decode_all(
        root,
        names,
        shape=reading.shape,
        size=reading.size,
        channels=reading.channels,
        cache=reading.cache,
        progress=reading.progress,
    )
    raw = Raw(
        name=name,
        inputs=found.pictures,
        targets=np.full(len(names), "", dtype="<U1"),
        ids=names,
        parts=parts,
        notes=(*notes, *found.notes),
        bad=found.bad,
        copies=found.copies,
        digest=found.digest,
    )
    return Unlabelled(raw, raw.targets.astype(str))


def _of_paths(paths: list[str], targets: Any, reading: Reading) -> Unlabelled:
    names = [str(Path(path).expanduser().absolute()) for path in paths]
    for name in names:
        if not Path(name).exists():
            raise nowhere(name, Path(name))
    found = _decoded(Path("/"), names, None, "photos", [], reading)
    return found if targets is None else _with_classes(replace(found.raw, targets=as_array(targets, "targets")), targets)


def _of_idx(path: Path) -> Unlabelled:
    try:
        raw = read_idx(path)
    except SourceNotFoundError:  # no labels beside it
        rows = parse_idx(unpacked(path), str(path))
        return _with_classes(from_arrays(rows, _zeros(rows), name=path.parent.name), None)
    return _with_classes(raw, raw.targets)


def _of_npz(path: Path) -> Unlabelled:
    try:
        raw = read_npz(path)
    except DataError as error:
        if "keys" not in str(error):
            raise
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                arrays = {key: archive[key] for key in archive.files}
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as wrong:
            raise DataError(f"{path} is not a whole .npz file", got=str(wrong)[:80]) from wrong
        return _of_mapping(arrays, path.stem)
    return _with_classes(raw, raw.targets)


def _of_npy(path: Path) -> Unlabelled:
    try:
        rows = np.load(path, allow_pickle=False)
    except (EOFError, OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as an array", expected="a file written by numpy.save") from error
    return _with_classes(from_arrays(rows, _zeros(rows), name=path.stem), None)


def _of_mapping(arrays: Mapping[str, Any], name: str) -> Unlabelled:
    """Arrays by key, with or without targets."""
    try:
        raw = from_mapping(arrays, name=name)
    except DataError as error:
        if "keys" not in str(error):
            raise
        alone = next((key for key in _INPUTS if key in arrays), next(iter(arrays)) if len(arrays) == 1 else None)
        if alone is not None and alone not in PARTS:
            return _with_classes(from_arrays(arrays[alone], _zeros(arrays[alone]), name=name), None)
        parts = {part: arrays[part] for part in PARTS if part in arrays}
        if "train" not in parts:
            raise
        filled = parts | {f"{part}_targets": _zeros(rows) for part, rows in parts.items()}
        return _with_classes(from_mapping(filled, name=name), None)
    return _with_classes(raw, raw.targets)


def _with_classes(raw: Raw, targets: Any) -> Unlabelled:
    """The classes that targets name, as text; none where there are no targets, and a note where they name no classes."""
    labels = np.full(len(raw), "", dtype=object)
    if targets is None:
        return Unlabelled(replace(raw, targets=labels.astype("<U1")), labels.astype(str))
    missing = without_label(raw.targets)
    sound = np.setdiff1d(np.arange(len(raw)), list(missing))
    try:
        known = raw.targets[sound]
        known = np.array(known.tolist()) if known.dtype.kind == "O" and len(known) else known
        meaning = interpret(known, raw.task, raw.columns) if len(sound) else None
    except LeadlineError:
        meaning = None
    if meaning is None or meaning.task != "classes":
        note = "The targets name no classes, one a row: they are not learned from, and nothing is judged by them."
        return Unlabelled(replace(raw, notes=(*raw.notes, note)), labels.astype(str))
    labels[sound] = meaning.values
    return Unlabelled(raw, labels.astype(str))


def _checked(found: Unlabelled, source: Any) -> Unlabelled:
    """The same, where they are pictures or rows of numbers."""
    inputs = found.raw.inputs
    if not isinstance(inputs, np.ndarray) or found.raw.is_text or inputs.ndim not in (2, 4):
        raise _not_taken("texts" if found.raw.is_text else "series" if not found.raw.is_table else str(source))
    return found


def _not_taken(got: str) -> DataError:
    return DataError("What learns from itself are pictures, tables and rows of numbers", expected=_TAKEN, got=got)


def _are_paths(source: Any) -> bool:
    """Whether this is a list of picture files rather than of texts, tables or numbers."""
    if not isinstance(source, (list, tuple)) or not source or not all(isinstance(each, (str, Path)) for each in source):
        return False
    paths = [Path(each) for each in source]
    return not all(map(is_table, paths)) and all(path.suffix for path in paths) and len(str(paths[0])) < 4096


def _zeros(rows: Any) -> NDArray[np.int64]:
    """As many targets as rows, which say nothing."""
    try:
        return np.zeros(len(rows), np.int64)
    except TypeError as error:
        raise DataError("The inputs are a single value", expected=_TAKEN, got=repr(rows)[:80]) from error
