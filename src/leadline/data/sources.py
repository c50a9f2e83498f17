"""From whatever a person gives (a name, a path, arrays) to Raw rows."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from leadline.data.arrays import as_array, from_arrays, from_mapping
from leadline.data.download import Progress
from leadline.data.idx import find_pair, is_idx, read_idx, read_idx_folder, unpacked
from leadline.data.named import NAMES, read_named
from leadline.data.npz import read_npz
from leadline.data.pictures.decoding import EXTENSIONS
from leadline.data.pictures.folders import Listing, has_classes, list_folder, pictures_below
from leadline.data.pictures.labels_csv import find_csv, list_csv, names_pictures
from leadline.data.pictures.pictures_cache import Shape, decode_all
from leadline.data.raw import Raw
from leadline.data.series.series_rows import series_from_arrays
from leadline.data.series.series_sources import Files, read_series, series_files
from leadline.data.tables import arrow_frames, table_files
from leadline.data.tables.bundled import BUNDLED, bundled_frame
from leadline.data.tables.frame import Frame
from leadline.data.tables.rows import table_rows
from leadline.data.texts.text_folders import is_text_folder, read_text_folder, texts_from_list
from leadline.data.texts.text_listing import texts_in_classes
from leadline.data.texts.text_tables import rows_of_texts, told_target
from leadline.errors import ArgumentError, DataError, SourceNotFoundError, nearest

_ARCHIVES = frozenset({".zip", ".tar", ".tgz", ".7z", ".rar", ".bz2", ".xz"})
KNOWN = (*NAMES, *BUNDLED)
_UNDERSTOOD = (
    "a table (csv, tsv, parquet), a folder of photos or of texts, a .npz, IDX or .ts file, a csv beside photos, or one of "
    + ", ".join(KNOWN)
)
_LOOKED_AT = 20  # entries of a list of texts or paths
SEPARATOR = "\n"  # between the paths of several files in the name of a source: no sane path holds it


@dataclass(frozen=True)
class Reading:
    """How to read: the target columns, the task, how a table is written and its rows divided, the form of photos, where decoded
    ones are kept, and who hears of it."""

    target: str | None = None
    task: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    time: str | None = None
    header: bool | None = None
    encoding: str | None = None
    shape: Shape | None = None
    size: int | None = None
    channels: int | None = None
    cache: Path | str | None = None
    progress: Progress | None = None
    steps: int | None = None  # of series for a training that exists, as `is_wide_series` takes them
    classes: tuple[str, ...] = ()  # likewise


def check_source(source: Any) -> None:
    """Refuse an empty text, which as a path would be the current folder.

    Errors: `SourceNotFoundError`.

    Example:
        >>> check_source(" ")
        Traceback (most recent call last):
        ...
        leadline.errors.SourceNotFoundError: The name of the source is an empty text. Expected a table ...
    """
    if isinstance(source, str) and not source.strip():
        raise SourceNotFoundError(
            "The name of the source is an empty text", expected=_UNDERSTOOD, do='The current folder is ".".'
        )


def read_raw(source: Any, targets: Any, reading: Reading) -> Raw:
    """The rows of any source.

    Raises:
        SourceNotFoundError: a path or name leads nowhere.
        DataError: what is there cannot be used.
    """
    if isinstance(source, (str, Path)):
        if targets is not None:
            raise ArgumentError(
                "A path or a name brings its own targets", do="For a label column of a csv use target='column'."
            )
        return _read_path(source, reading)
    if (frame := frame_of(source, reading, targets)) is not None:
        apart = source[1] if isinstance(source, tuple) else targets
        return _table_or_texts(frame, reading, None if apart is None else ",".join(frame.data.columns[-_width(apart) :]))
    if isinstance(source, Mapping):
        return from_mapping(source)
    if isinstance(source, tuple) and len(source) == 2 and targets is None:
        source, targets = source
    if _differ_in_length(source):
        return series_from_arrays(source, _given(targets))
    if paths := _paths(source):
        if not any(map(_is_path, paths[:_LOOKED_AT])):
            return texts_from_list([str(text) for text in source], _given(targets))
        return _decoded(_listed(paths, targets), "photos", reading)
    return from_arrays(source, targets)


def _given(targets: Any) -> Any:
    if targets is None:
        raise ArgumentError("The rows have no targets", expected="load(inputs, targets)")
    return targets


def _is_path(text: str) -> bool:
    """Whether a text is meant as the path of a file, rather than to be read itself."""
    path = Path(text)
    try:
        return path.suffix.lower() in EXTENSIONS or table_files.is_table(path) or path.exists()
    except OSError:  # too long for a name
        return False


def _differ_in_length(source: Any) -> bool:
    """Whether these are arrays of numbers that differ in their first axis: series."""
    if not isinstance(source, (list, tuple)) or len(source) < 2 or not all(hasattr(row, "shape") for row in source):
        return False
    return all(1 <= len(row.shape) <= 2 for row in source) and len({int(row.shape[0]) for row in source}) > 1


def _width(targets: Any) -> int:
    """How many columns the targets beside a data frame are, which `with_targets` puts last."""
    shape = getattr(targets, "shape", None) or np.shape(targets)
    return int(shape[1]) if len(shape) == 2 else 1


def frame_of(source: Any, reading: Reading, targets: Any = None) -> Frame | None:
    """The rows of a table: table files, a folder of them, a data frame (with its targets apart, perhaps); None for all else."""
    if isinstance(source, (str, Path)):
        paths = [Path(part).expanduser().absolute() for part in str(source).split(SEPARATOR)]
        if len(paths) == 1 and paths[0].is_dir():
            paths = table_files.table_files_in(paths[0])
        return _read_tables(paths, reading) if paths and all(map(table_files.is_table, paths)) else None
    if arrow_frames.is_data_frame(source):
        return arrow_frames.from_data_frame(source if targets is None else arrow_frames.with_targets(source, targets))
    if isinstance(source, tuple) and len(source) == 2 and arrow_frames.is_data_frame(source[0]) and targets is None:
        return frame_of(source[0], reading, source[1])
    paths = [Path(path) for path in _paths(source) or ()]
    return _read_tables(paths, reading) if paths and targets is None and all(map(table_files.is_table, paths)) else None


def name_of(source: Any) -> str:
    """What Origin calls a source: the name as given, absolute paths (several with a line break between them), or "arrays"."""
    if isinstance(source, str) and source in KNOWN:
        return source
    if isinstance(source, (str, Path)):
        return SEPARATOR.join(str(Path(part).expanduser().absolute()) for part in str(source).split(SEPARATOR))
    paths = None if arrow_frames.is_data_frame(source) else _paths(source)
    return SEPARATOR.join(paths) if paths and all(map(table_files.is_table, map(Path, paths))) else "arrays"


def _read_tables(paths: Sequence[Path], reading: Reading) -> Frame:
    for path in paths:
        if not path.exists():
            raise nowhere(path, path)
    return table_files.read_files(list(paths), header=reading.header, encoding=reading.encoding)


def _read_path(source: str | Path, reading: Reading) -> Raw:
    if isinstance(source, str) and source in NAMES:
        return read_named(source, cache=reading.cache, progress=reading.progress)
    if isinstance(source, str) and source in BUNDLED:
        bundled, target = bundled_frame(source)
        return table_rows(bundled, reading, target)
    if SEPARATOR in str(source):
        if (frame := frame_of(source, reading)) is None:
            raise DataError(
                "Several files must be tables", expected="csv, tsv or parquet files", got=str(source).split(SEPARATOR)
            )
        return _table_or_texts(frame, reading)
    path = Path(source).expanduser().absolute()
    if not path.exists():
        if files := series_files(path):
            return _series(files, reading)
        raise nowhere(source, path)
    if path.is_dir():
        return _read_folder(path, reading)
    if not reading.target and (files := series_files(path, steps=reading.steps, classes=reading.classes)):
        return _series(files, reading)
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return read_npz(path)
    if suffix == ".csv" and names_pictures(path):
        return _decoded(list_csv(path, path.parent, target=reading.target, task=reading.task), path.stem, reading)
    if (frame := frame_of(path, reading)) is not None:
        return _table_or_texts(frame, reading)
    if suffix in _ARCHIVES or path.name.lower().endswith(".tar.gz") or zipfile.is_zipfile(path):
        raise DataError(f"{path} is an archive", expected="the folder inside it", do="Unpack it first and name the folder.")
    with path.open("rb") as file:
        head = file.read(4)
    if is_idx(head) or (head[:2] == b"\x1f\x8b" and is_idx(unpacked(path)[:4])):
        return read_idx(path)
    got = "a single picture" if suffix in EXTENSIONS else f"a file of kind {suffix or 'unknown'}"
    raise DataError(f"{path} is not a source that is understood", expected=_UNDERSTOOD, got=got)


def _read_folder(path: Path, reading: Reading) -> Raw:
    if find_pair(path):
        return read_idx_folder(path)
    if not any(True for _ in pictures_below(path)):
        if files := series_files(path):
            return _series(files, reading)
        if is_text_folder(path):
            return read_text_folder(
                path, target=reading.target, task=reading.task, encoding=reading.encoding, progress=reading.progress
            )
        if (frame := frame_of(path, reading)) is not None:
            return _table_or_texts(frame, reading)
        if texts_in_classes(path)[0]:  # of a single class, which `load` refuses
            return read_text_folder(path, encoding=reading.encoding, progress=reading.progress)
    return _read_photos(path, reading)


def _series(files: Files, reading: Reading) -> Raw:
    return read_series(files, steps=reading.steps, classes=reading.classes)


def _table_or_texts(frame: Frame, reading: Reading, usual: str | None = None) -> Raw:
    """The rows of a table; as texts, where a column of them is all that there is to learn from."""
    told = told_target(frame.data) if usual is None and reading.target is None and not reading.kinds else None
    raw = table_rows(frame, reading if told is None else replace(reading, target=told[0]), usual)
    raw = raw if told is None else replace(raw, notes=(*raw.notes, told[1]))
    return rows_of_texts(raw, reading.kinds)


def _read_photos(path: Path, reading: Reading) -> Raw:
    table = find_csv(path)
    listing = list_folder(path) if table is None else _by_table(path, table, reading)
    return _decoded(listing, path.name, reading)


def _by_table(path: Path, table: Path, reading: Reading) -> Listing:
    """What the csv says; or the class folders, where there are some and the csv does not speak of most pictures in them."""
    classes = not reading.target and has_classes(path)
    try:
        listing = list_csv(table, path, target=reading.target, task=reading.task)
    except DataError:
        if not classes:
            raise
        return list_folder(path)
    few = 2 * len(set(listing.names)) < sum(1 for _ in pictures_below(path))
    return list_folder(path) if classes and few else listing


def _decoded(listing: Listing, name: str, reading: Reading) -> Raw:
    decoded = decode_all(
        listing.root,
        listing.names,
        shape=reading.shape,
        size=reading.size,
        channels=reading.channels,
        cache=reading.cache,
        progress=reading.progress,
    )
    return Raw(
        name=name,
        inputs=decoded.pictures,
        targets=listing.targets,
        ids=listing.names,
        parts=listing.parts,
        columns=listing.columns,
        notes=(*listing.notes, *decoded.notes),
        bad=decoded.bad | dict(listing.missing),
        copies=decoded.copies,
        digest=decoded.digest,
    )


def _paths(source: Any) -> list[str] | None:
    """A list of picture paths, or None where the source is anything else."""
    if isinstance(source, (list, tuple)) and source and all(isinstance(each, (str, Path)) for each in source):
        return [str(Path(each).absolute()) for each in source]
    if isinstance(source, np.ndarray) and source.dtype.kind == "U" and source.ndim == 1:
        return [str(Path(each).absolute()) for each in source.tolist()]
    return None


def _listed(paths: list[str], targets: Any) -> Listing:
    if targets is None:
        raise ArgumentError("The list of pictures has no targets", expected="load(paths, targets)")
    labels = as_array(targets, "targets")
    if len(labels) != len(paths):
        got = f"{len(paths):,} paths and {len(labels):,} targets"
        raise DataError("The paths and the targets differ in length", expected="one target for each path", got=got)
    return Listing(Path("/"), paths, labels)


def nowhere(source: str | Path, path: Path) -> SourceNotFoundError:
    """The error for a path or name that leads nowhere, with the nearest name there is."""
    beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    close = nearest(path.name, [*beside, *KNOWN])
    if str(source) == "arrays":
        return SourceNotFoundError("The data were arrays in memory, which no name leads to", do="Give the same arrays again.")
    return SourceNotFoundError(
        f"There is no file, folder or data set {str(source)!r}",
        expected=_UNDERSTOOD,
        do=f"Did you mean {close!r}?" if close else "Check the path.",
    )
