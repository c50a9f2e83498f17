"""Word vectors from a file in the text format of word2vec: a line for each word, the word and its numbers."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leadline.errors import DataError, SourceNotFoundError


def read_vector_rows(
    path: Path | str, *, wanted: Collection[str] | None = None, most: int | None = None
) -> tuple[list[str], NDArray[np.float32]]:
    """Words and their vectors, in the order of the file; of a word that comes twice the first.

    The first line may say how many words there are and how many numbers each has.

    Shapes: → V words and float32 [V, E].

    Args:
        path: of the file.
        wanted: the only words that are kept.
        most: of the file's words, the first so many alone are looked at.

    Errors: `SourceNotFoundError` where there is no file; `DataError` for a line that is no word with its numbers, and for
    lines that differ in how many they have.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "vectors.txt"
        >>> _ = path.write_text("2 3\\ngood 1 0 0.5\\nbad -1 0 0.5\\n")
        >>> words, vectors = read_vector_rows(path)
        >>> words, vectors[1]
        (['good', 'bad'], array([-1. ,  0. ,  0.5], dtype=float32))
    """
    path = Path(path)
    if not path.is_file():
        raise SourceNotFoundError(f"There is no file of word vectors {path}", do="Check the path.")
    kept: dict[str, NDArray[np.float32]] = {}
    width = 0
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        for number, line in enumerate(islice(file, None if most is None else most + 1), start=1):
            word, *numbers = line.rstrip("\r\n ").split(" ")
            if number == 1 and len(numbers) == 1 and word.isdecimal() and numbers[0].isdecimal():
                continue
            width = width or len(numbers)
            if not numbers or len(numbers) != width:
                raise DataError(
                    f"Line {number:,} of {path} is no word with its vector",
                    expected=f"a word and {width:,} numbers, with single spaces between them"
                    if width
                    else "a word and numbers",
                    got=repr(line[:60]),
                )
            if word in kept or (wanted is not None and word not in wanted):
                continue
            try:
                kept[word] = np.array(numbers, np.float32)
            except ValueError as error:
                raise DataError(
                    f"Line {number:,} of {path} has a vector with what is no number", got=repr(line[:60])
                ) from error
    if not width:
        raise DataError(f"{path} is empty", expected="a word and its numbers on each line")
    return list(kept), np.stack(list(kept.values())) if kept else np.zeros((0, width), np.float32)
