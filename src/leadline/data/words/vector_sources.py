"""Where word vectors come from: the Run of a training on words, or a file of them."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from leadline import files
from leadline.data.schema import Schema
from leadline.data.words.word_answers import CorpusWords
from leadline.errors import RunError
from leadline.text.vector_files import read_vectors
from leadline.text.word_vectors import WordVectors


def vector_width(source: Path | str) -> int:
    """How many numbers each vector of a source has, of which a first one is read once; again where the file has changed.

    Args:
        source: as `vectors_from` takes it.

    Errors: as `vectors_from`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "two.txt"
        >>> _ = path.write_text("a 1 0 0\\nb 0 1 0\\n")
        >>> vector_width(path)
        3
    """
    return _width(str(source), vectors_stamp(source))


def vectors_stamp(source: Path | str) -> tuple[int, int]:
    """Size and time of the file that the vectors of a source are in, which tell whether it has changed; zeros where none is.

    Args:
        source: as `vectors_from` takes it.

    Example:
        >>> vectors_stamp("nowhere")
        (0, 0)
    """
    path = Path(source).expanduser()
    try:
        found = (path / "model.safetensors" if path.is_dir() else path).stat()
    except OSError:  # told where it is read
        return 0, 0
    return found.st_size, found.st_mtime_ns


@functools.lru_cache(maxsize=8)
def _width(source: str, stamp: tuple[int, int]) -> int:
    return vectors_from(source, most=1).width


def vectors_from(source: Path | str, *, most: int | None = None) -> WordVectors:
    """The word vectors of a Run of the task words, or of a file in word2vec's formats or GloVe's.

    Args:
        source: the folder of the Run, or the file.
        most: only so many from the beginning, which are the commonest words of a Run and of most files.

    Errors: `RunError` for a Run of another kind, unfinished or damaged; what `text.read_vectors` raises.

    Example:
        >>> import tempfile
        >>> from leadline.text.vector_files import write_vectors
        >>> vectors_from(write_vectors(WordVectors(["a", "b"], np.eye(2)), Path(tempfile.mkdtemp()) / "two.txt"))
        WordVectors(2 words, 2 numbers each)
    """
    path = Path(source).expanduser()
    if not path.is_dir():
        return read_vectors(path, most=most)
    if not (path / "model.safetensors").exists():
        raise RunError(f"{path} is no finished Run with word vectors", do="Train one: leadline train TEXT.txt --task words.")
    try:
        words = Schema.from_json(files.read_json(path / "schema.json")).inputs
        if isinstance(words, CorpusWords):
            weights = load_file(path / "model.safetensors")["vectors.weight"]
            rows = np.flatnonzero(words.counts)[:most]
            return WordVectors(words.known[:most], weights[rows])
    except (FileNotFoundError, KeyError, IndexError, ValueError, SafetensorError) as error:
        raise RunError(f"The Run in {path} is damaged", got=str(error), do="Restore it from a copy, or train anew.") from error
    raise RunError(f"The Run in {path} has no word vectors", expected="one of the task words", got=words.describe())
