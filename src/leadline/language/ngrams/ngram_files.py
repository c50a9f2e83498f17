"""The file of an n-gram model: safetensors, so that any reader of these can open it, and memory-mapped, so that a model that is
larger than memory is ready at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline import files
from leadline.errors import RunError, SourceNotFoundError
from leadline.language.ngrams.ngram_models import ModelLevel, NGramModel

_KIND = "leadline n-gram model"
_NAMES: dict[str, np.dtype[Any]] = {
    "codes": np.dtype(np.int64),
    "log_p": np.dtype(np.float32),
    "back_off": np.dtype(np.float32),
}
_SPELLED = {np.dtype(np.int64): "I64", np.dtype(np.float32): "F32"}
_AT_A_TIME = 1 << 22  # numbers that are written at a time
_LONGEST_HEADER = 1 << 20


def save_ngrams(model: NGramModel, path: Path | str) -> None:
    """Write a model to one file, whole or not at all.

    Args:
        model: whose arrays may themselves be memory-mapped.
        path: of the file, usually called .safetensors.

    Errors: `StorageError` for a full disk.

    Example:
        >>> import tempfile
        >>> from leadline.language.ngrams.ngram_training import fit_ngrams
        >>> model = fit_ngrams(np.array([2, 3, 2, 3]), 4, order=2).model
        >>> path = Path(tempfile.mkdtemp()) / "model.safetensors"
        >>> save_ngrams(model, path)
        >>> from safetensors.numpy import load_file
        >>> sorted(load_file(path))
        ['1.back_off', '1.log_p', '2.codes', '2.log_p']
    """
    header: dict[str, Any] = {
        "__metadata__": {
            "kind": _KIND,
            "order": str(model.order),
            "vocabulary": str(model.vocabulary),
            "boundary": "" if model.boundary is None else str(model.boundary),
            "backs_off": "yes" if model.backs_off else "no",
        }
    }
    at = 0
    # The widest numbers first: then each array begins where its numbers may.
    arrays = sorted(_arrays(model), key=lambda item: -item[1].dtype.itemsize)
    for name, array in arrays:
        header[name] = {"dtype": _SPELLED[array.dtype], "shape": [len(array)], "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with files.writing(Path(path)) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, array in arrays:
            for start in range(0, len(array), _AT_A_TIME):
                file.write(array[start : start + _AT_A_TIME].astype(array.dtype.newbyteorder("<"), copy=False).tobytes())


def open_ngrams(path: Path | str) -> NGramModel:
    """The model of a file, memory-mapped: only what is asked for is read, and nothing is unpickled.

    Args:
        path: that `save_ngrams` wrote.

    Errors: `SourceNotFoundError` where there is none; `RunError` for a file that is no n-gram model, cut short or damaged.

    Example:
        >>> import tempfile
        >>> from leadline.language.ngrams.ngram_training import fit_ngrams
        >>> model = fit_ngrams(np.array([2, 3, 2, 3]), 4, order=2).model
        >>> path = Path(tempfile.mkdtemp()) / "model.safetensors"
        >>> save_ngrams(model, path)
        >>> open_ngrams(path).query(3, [2]) == model.query(3, [2])
        True
    """
    path = Path(path)
    if not path.is_file():
        raise SourceNotFoundError(f"There is no n-gram model at {path}", do="Check the path.")
    try:
        header, start = _header(path)
        about = header.pop("__metadata__")
        if about["kind"] != _KIND:
            raise ValueError(f"it is a {about['kind']!r}")
        order, vocabulary = int(about["order"]), int(about["vocabulary"])
        levels = [_level(path, header, start, length, order, vocabulary) for length in range(1, order + 1)]
        boundary = int(about["boundary"]) if about["boundary"] else None
        return NGramModel(levels, vocabulary, boundary=boundary, backs_off=about["backs_off"] == "yes")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{path} is no n-gram model that can be used",
            got=f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error),
            do="Restore it from a copy, or train anew.",
        ) from error


def _arrays(model: NGramModel) -> Iterator[tuple[str, NDArray[Any]]]:
    for length, level in enumerate(model.levels, 1):
        if length > 1:  # of single words the codes are their numbers
            yield f"{length}.codes", level.codes
        yield f"{length}.log_p", level.log_p
        if length < model.order:
            yield f"{length}.back_off", level.back_off


def _header(path: Path) -> tuple[dict[str, Any], int]:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if not 2 <= size <= _LONGEST_HEADER:
            raise ValueError("no header")
        header = json.loads(file.read(size).decode())
    if not isinstance(header, dict):
        raise ValueError("no table of arrays")
    return header, 8 + size


def _level(path: Path, header: dict[str, Any], start: int, length: int, order: int, vocabulary: int) -> ModelLevel:
    def array(name: str) -> NDArray[Any]:
        dtype, about = _NAMES[name], header[f"{length}.{name}"]
        first, last = about["data_offsets"]
        (size,) = about["shape"]
        if about["dtype"] != _SPELLED[dtype] or last - first != size * dtype.itemsize or first < 0:
            raise ValueError(f"{length}.{name} is not of the kind it should be")
        if not size:
            return np.zeros(0, dtype)
        # A file that is cut short cannot be mapped to its end. The dtype by its name: where "<" is the order of the machine,
        # single numbers can be read from the buffer only if it does not say so.
        return np.memmap(path, dtype.newbyteorder("<").str, "r", offset=start + first, shape=(size,))

    log_p = array("log_p")
    codes = np.arange(vocabulary) if length == 1 else array("codes")
    back_off = array("back_off") if length < order else np.zeros(0, np.float32)
    if len(codes) != len(log_p) or (length < order and len(back_off) != len(codes)):
        raise ValueError(f"the arrays of the {length}-grams differ in length")
    return ModelLevel(codes, log_p, back_off)
