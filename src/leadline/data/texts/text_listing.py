"""Which files of a folder are texts, and of which class and part its sub-folders say that they are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from leadline.data.pictures.folders import part_named
from leadline.data.raw import PARTS
from leadline.spelling import counted

TEXT_EXTENSIONS = frozenset({".txt", ".text", ".md", ".rst"})
_UNLABELLED = frozenset({"unsup", "unlabeled", "unlabelled", "unsupervised"})


def has_text_classes(root: Path) -> bool:
    """Whether a folder has at least two class folders with texts in them.

    Example:
        >>> import tempfile
        >>> has_text_classes(Path(tempfile.mkdtemp()))
        False
    """
    found, _ = texts_in_classes(root)
    return len({label for _, label, _ in found}) > 1


def texts_in_classes(root: Path) -> tuple[list[tuple[str, str, Path]], list[str]]:
    """The part ("" where there are none), class and file of each text in class folders, and what a person should know.

    Hidden files are passed over in silence; others that are no texts are counted in a note.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "spam").mkdir()
        >>> (root / "spam" / "1.txt").write_text("Win!")
        4
        >>> [(part, label, path.name) for part, label, path in texts_in_classes(root)[0]]
        [('', 'spam', '1.txt')]
    """
    top, notes = _descend(root)
    folders = _folders(top)
    parts = {folder: part for folder in folders if (part := part_named(folder.name))}
    if "train" in parts.values():
        order = sorted(parts, key=lambda folder: PARTS.index(parts[folder]))
        found = [row for folder in order for row in _classes(_folders(folder), parts[folder])]
        beside = [folder.name for folder in folders if folder not in parts]
        if beside:
            notes.append(f"Beside the train folder these were left out: {', '.join(beside[:6])}.")
    else:
        found = _classes(folders)
    without = sorted({label for _, label, _ in found if label.casefold() in _UNLABELLED})
    if without and len({label for _, label, _ in found}) > 1 + len(without):
        notes.append(f"The texts in {', '.join(without)} have no class and were left out.")
        found = [row for row in found if row[1] not in without]
    used = {path for _, _, path in found}
    if stray := sum(path not in used and not _is_without(path, without) for path in _files_below(root)):
        one, many = "file that is no text in a class folder was", "files that are no texts in a class folder were"
        notes.append(f"{counted(stray, one, many)} left out.")
    return found, notes


def _is_without(path: Path, without: Sequence[str]) -> bool:
    return bool(without) and any(parent.name in without for parent in path.parents)


def _classes(folders: Iterable[Path], part: str = "") -> list[tuple[str, str, Path]]:
    return [(part, folder.name, path) for folder in folders for path in _texts_below(folder)]


def _descend(root: Path) -> tuple[Path, list[str]]:
    """Past a folder that only wraps another one, as archives do when they are unpacked."""
    top = root
    while (
        len(inner := _folders(top)) == 1
        and _folders(inner[0])
        and not part_named(inner[0].name)
        and not text_files_in(inner[0])
    ):
        top = inner[0]
    return top, [] if top == root else [f"The classes are the folders in {top.relative_to(root).as_posix()}."]


def _texts_below(folder: Path) -> Iterator[Path]:
    """Text files at any depth; those without an extension are texts where no other files are, as in mail archives."""
    files = list(_files_below(folder))
    named = [path for path in files if path.suffix.lower() in TEXT_EXTENSIONS]
    if named or any(path.suffix and not path.suffix[1:].isdecimal() for path in files):
        return iter(named)
    return iter(files)


def _files_below(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _hidden(name))
        for name in sorted(names):
            if not _hidden(name):
                yield Path(where, name)


def text_files_in(folder: Path) -> list[Path]:
    """The text files that lie in a folder itself."""
    here = sorted(path for path in folder.iterdir() if path.is_file() and not _hidden(path.name))
    return [path for path in here if path.suffix.lower() in TEXT_EXTENSIONS]


def _folders(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if path.is_dir() and not _hidden(path.name)), key=lambda path: path.name)


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")
