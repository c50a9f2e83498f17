"""A safetensors file written piece by piece: arrays may be larger than what memory is free."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline import files
from leadline.errors import PlanError

_KINDS = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}
_PIECE = 1 << 26  # bytes


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name, whole or not at all; a memory-mapped one passes through memory 64 MB at a time.

    Errors: `PlanError` for an array whose type the format does not have.

    Example:
        >>> import tempfile
        >>> from safetensors.numpy import load_file
        >>> path = Path(tempfile.mkdtemp()) / "arrays.safetensors"
        >>> write_arrays(path, {"primes": np.array([2, 3, 5])})
        >>> load_file(path)["primes"].tolist()
        [2, 3, 5]

    Source: the format of safetensors: 8 bytes with the length of a JSON header, the header, the values.
    """
    header, at = {}, 0
    # The widest values first: each array then begins where its type may.
    ordered = sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize)
    for name, array in ordered:
        if array.dtype.name not in _KINDS:
            raise PlanError(f"The array {name} cannot be stored", expected=", ".join(_KINDS), got=array.dtype)
        header[name] = {
            "dtype": _KINDS[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with files.writing(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, array in ordered:
            rows = max(1, _PIECE // max(1, array.nbytes // max(1, len(array)))) if array.ndim else 1
            pieces = [array] if array.ndim == 0 else (array[first : first + rows] for first in range(0, len(array), rows))
            for piece in pieces:
                little = piece.astype(piece.dtype.newbyteorder("<"), copy=False)
                file.write(np.ascontiguousarray(little).tobytes())
