"""A folder of photos as a source: one sub-folder per class, with or without train, valid and test above them.

A folder may change while it is read: what has vanished since it was listed is set aside by whoever opens it, and what has come
is counted (`pictures_added`). Nothing here fails because a folder is no longer there.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.pictures.decoding import CONVERT_HINT, EXTENSIONS, UNREADABLE_EXTENSIONS
from leadline.errors import DataError
from leadline.spelling import counted

_PARTS = {"train": "train", "training": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}
_EXPECTED = "table files, one sub-folder of pictures per class, or pictures and a csv of their labels"


@dataclass(frozen=True)
class Listing:
    """Pictures found and their labels: `names` relative to `root`, with "/"; the rest as in Raw."""

    root: Path
    names: list[str]
    targets: NDArray[Any]
    parts: NDArray[np.str_] | None = None
    columns: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    missing: tuple[tuple[int, str], ...] = ()


def list_folder(root: Path) -> Listing:
    """Find the classes (and parts) in a folder of photos.

    Hidden files are passed over in silence; other files that are not pictures are counted in a note.

    Raises:
        DataError: there are no pictures, or no classes.
    """
    top, notes = _descend(root)
    folders = _folders(top)
    parts = {folder: _PARTS[folder.name.casefold()] for folder in folders if folder.name.casefold() in _PARTS}
    if "train" in parts.values():
        found, more = _with_parts(parts, [folder for folder in folders if folder not in parts])
    else:
        found, more = _classes(folders), []
    names = [_relative(path, root) for _, _, path in found]
    ignored, closed = _ignored(root, set(names))
    if not found:
        got = " ".join([_contents(root, ignored), *closed]).rstrip(".")
        raise DataError(f"The folder {root} holds no pictures in sub-folders", expected=_EXPECTED, got=got)
    targets = np.array([label for _, label, _ in found])
    part_of = np.array([part for part, _, _ in found]) if found[0][0] else None
    notes = [*notes, *more, *_empty(folders, found), *ignored_notes(ignored), *closed]
    return Listing(root, names, targets, part_of, notes=tuple(notes))


def part_named(folder: str) -> str | None:
    """The split that a folder of this name holds by custom, or None.

    Example:
        >>> part_named("Validation"), part_named("roses")
        ('valid', None)
    """
    return _PARTS.get(folder.casefold())


def has_classes(root: Path) -> bool:
    """Whether the folder has at least two class folders."""
    try:
        return len(set(list_folder(root).targets.tolist())) > 1
    except DataError:
        return False


def pictures_below(folder: Path) -> Iterator[Path]:
    """All picture files at any depth, hidden ones left out, in the order of their names."""
    for path in _files_below(folder):
        if path.suffix.lower() in EXTENSIONS:
            yield path


def pictures_added(folder: Path, before: Set[Path]) -> list[str]:
    """A sentence on pictures that lie in a folder now and did not when it was listed, for whoever has read it since.

    Args:
        folder: that was read.
        before: its `pictures_below` before that.

    Example:
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> (folder / "late.png").touch()
        >>> pictures_added(folder, frozenset())
        ['1 picture came into the folder while it was read and is left out: late.png.']
    """
    added = [_relative(path, folder) for path in pictures_below(folder) if path not in before]
    if not added:
        return []
    those = counted(
        len(added),
        "picture came into the folder while it was read and is left out",
        "pictures came into the folder while it was read and are left out",
    )
    return [f"{those}: {', '.join(added[:3])}{', …' if len(added) > 3 else ''}."]


def ignored_notes(extensions: Counter[str]) -> list[str]:
    """Sentences about files that were passed over, from how many there are of each extension."""
    notes = []
    heic = sum(count for extension, count in extensions.items() if extension in UNREADABLE_EXTENSIONS)
    if heic:
        notes.append(f"{counted(heic, '.heic picture was', '.heic pictures were')} left out. {CONVERT_HINT}")
    if stray := sum(count for extension, count in extensions.items() if extension in EXTENSIONS):
        one, many = (
            "picture that lies in no class folder, or has no label, was",
            "pictures that lie in no class folder, or have no label, were",
        )
        notes.append(f"{counted(stray, one, many)} left out.")
    others = {key: count for key, count in extensions.items() if key not in EXTENSIONS | UNREADABLE_EXTENSIONS}
    if others:
        kinds = ", ".join(sorted(key or "no extension" for key in others)[:6])
        those = counted(sum(others.values()), "file that is not a picture was", "files that are not pictures were")
        notes.append(f"{those} left out ({kinds}).")
    return notes


def _descend(root: Path) -> tuple[Path, list[str]]:
    """Past a folder that only wraps another one, as archives do when they are unpacked."""
    top = root
    while len(inner := _folders(top)) == 1 and _folders(inner[0]) and not any(True for _ in _pictures_in(top)):
        if inner[0].name.casefold() in _PARTS or any(True for _ in _pictures_in(inner[0])):
            break
        top = inner[0]
    return top, [] if top == root else [f"The classes are the folders in {_relative(top, root)}."]


def _classes(folders: Iterable[Path], part: str = "") -> list[tuple[str, str, Path]]:
    return [(part, folder.name, path) for folder in folders for path in pictures_below(folder)]


def _with_parts(parts: dict[Path, str], others: list[Path]) -> tuple[list[tuple[str, str, Path]], list[str]]:
    found, notes = [], []
    for folder, part in sorted(parts.items(), key=lambda item: list(_PARTS.values()).index(item[1])):
        rows = _classes(_folders(folder), part)
        if not rows:
            notes.append(f"The folder {folder.name} has no class folders with pictures in it and was left out.")
        found += rows
    if others:
        notes.append(f"Beside the train folder these were left out: {', '.join(folder.name for folder in others[:6])}.")
    return found, notes


def _empty(folders: list[Path], found: list[tuple[str, str, Path]]) -> list[str]:
    if found and found[0][0]:
        return []
    full = {label for _, label, _ in found}
    empty = [folder.name for folder in folders if folder.name not in full]
    return [f"Folders without pictures are no classes: {', '.join(empty[:6])}."] if empty else []


def _contents(root: Path, ignored: Counter[str]) -> str:
    flat = len(list(_pictures_in(root)))
    if flat:
        return f"{flat:,} pictures without sub-folders or csv"
    return " ".join(ignored_notes(ignored)).rstrip(".") or "an empty folder"


def _ignored(root: Path, used: set[str]) -> tuple[Counter[str], list[str]]:
    """How many files of each extension are passed over, and a sentence on folders that nothing could be read of."""
    closed: list[OSError] = []
    passed = Counter(path.suffix.lower() for path in _files_below(root, closed.append) if _relative(path, root) not in used)
    if not closed:
        return passed, []
    shown = ", ".join(f"{error.filename} ({error.strerror})" for error in closed[:3])
    return passed, [f"{counted(len(closed), 'folder')} could not be read: {shown}{', …' if len(closed) > 3 else ''}."]


def _files_below(folder: Path, closed: Callable[[OSError], object] | None = None) -> Iterator[Path]:
    for where, folders, names in os.walk(folder, onerror=closed):
        folders[:] = sorted(name for name in folders if not _hidden(name))
        for name in sorted(names):
            if not _hidden(name):
                yield Path(where, name)


def _pictures_in(folder: Path) -> Iterator[Path]:
    return (path for path in _entries(folder) if path.suffix.lower() in EXTENSIONS)


def _folders(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir()]


def _entries(folder: Path) -> list[Path]:
    """What is to be seen in a folder, by name; nothing where it has vanished or is closed to the reader."""
    try:
        return sorted((path for path in folder.iterdir() if not _hidden(path.name)), key=lambda path: path.name)
    except OSError:
        return []


def _hidden(name: str) -> bool:
    """Hidden files, and what macOS and Windows leave in folders and archives."""
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
