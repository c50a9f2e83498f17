"""NumPy's .npz archives as a source. Pickled objects inside are never loaded."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.arrays import from_mapping
from leadline.data.raw import Raw
from leadline.errors import DataError


def read_npz(path: Path) -> Raw:
    """The arrays of a .npz file: `inputs` and `targets`, or `train`, `valid`, `test` with `*_targets`.

    Raises:
        DataError: it is damaged, holds Python objects, or its keys are not understood.
    """
    return from_mapping(arrays_of_npz(path), name=path.stem)


def arrays_of_npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of a .npz file by their keys.

    Raises:
        DataError: it is damaged, or holds Python objects.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, AttributeError) as error:
        raise DataError(f"{path} is not a whole .npz file", expected="what numpy.savez writes", got=str(error)[:80]) from error
    except ValueError as error:
        if "pickle" in str(error).lower():
            raise DataError(
                f"{path} holds pickled Python objects, which are never loaded because they could run code",
                expected="arrays of numbers or text",
                do="Save the arrays with a number or text type.",
            ) from error
        raise DataError(f"{path} is not a whole .npz file", got=str(error)[:80]) from error
