"""Pictures kept in a folder of a person: our own are renewed, nobody else's is ever overwritten."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from PIL import Image

from leadline import files
from leadline.errors import RunExistsError
from leadline.explain.labelled_sheets import MADE_BY


def free_names(ids: Sequence[str]) -> list[str]:
    """A name of a file for each input, without its folder and ending; equal ones are told apart by a number.

    Example:
        >>> free_names(["a/rose.jpg", "b/rose.png", "rows.npy:3", "-"])
        ['rose', 'rose-2', 'rows.npy-3', 'picture']
    """
    taken: set[str] = set()
    names = []
    for each in ids:
        whole = PurePath(each).name
        stem = whole if re.search(r":\d+$", whole) else PurePath(whole).stem
        plain = re.sub(r"[^\w.-]+", "-", stem).strip("-.")[:100] or "picture"
        name, number = plain, 1
        while name.casefold() in taken:  # some disks know no capitals
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def check_own(path: Path) -> Path:
    """The path, if nothing is there or a picture that an earlier call has written.

    Errors: `RunExistsError` when something else is there.
    """
    if path.exists() or path.is_symlink():
        try:
            with Image.open(path) as image:
                own = image.info.get("Software") == MADE_BY
        except OSError:  # among them what is no picture
            own = False
        if not own:
            raise RunExistsError(
                f"{path} exists already, and is not from leadline explain",
                do="Choose another folder with --out, or move it away.",
            )
    return path


def keep_png(path: Path, png: bytes) -> Path:
    """Write a picture, whole or not at all; its folder is made where it is missing.

    Errors: `RunExistsError` when something of another origin is there; `StorageError` when the disk is full or read-only.
    """
    check_own(path)
    files.make_folder(path.parent)
    with files.writing(path) as file:
        file.write(png)
    return path
