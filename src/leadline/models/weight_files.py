"""Weights as other programs leave them in files: safetensors, torch's two formats, and Keras's HDF5. Nothing is executed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from leadline.errors import DataError, SourceNotFoundError
from leadline.models.keras_squeezenets import read_keras_squeezenet

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"
_LONGEST_HEADER = 100_000_000  # bytes, of a safetensors file
# What trainings wrap their weights in, the most telling first, and what wrappers of modules put before each name.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params", "model_state")
_CALLED = re.compile(r"(?:GLOBAL|Trying to (?:call|load|instantiate) (?:reduce for )?\S*?)\s*((?:\w+\.)+\w+)")
_PREFIXES = ("module.", "_orig_mod.")
_DEEPEST = 3  # wrappers within wrappers; a stranger's dictionary may well hold itself


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by their names, on the CPU; wrappers around them and before their names are taken off.

    What a file is, is seen from its first bytes, whatever its name. A pickle is read by torch's reader that knows tensors and
    plain containers and nothing else.

    Args:
        path: a .safetensors file, one by `torch.save` of a state dict, or the SqueezeNet of Keras (.h5); or a folder that has
            `model.safetensors` in it, such as a Run.

    Errors: `SourceNotFoundError` for a path that leads nowhere; `DataError` for a file that holds no state dict or is damaged.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "net.pt"
        >>> torch.save({"epoch": 3, "state_dict": {"module.weight": torch.ones(2)}}, path)
        >>> read_weights(path)
        {'weight': tensor([1., 1.])}
    """
    file = path / "model.safetensors" if path.is_dir() else path
    if not file.is_file():
        raise SourceNotFoundError(
            f"There are no weights at {path}", expected="a file of weights, or a folder with model.safetensors in it"
        )
    try:
        with file.open("rb") as opened:
            first = opened.read(16)
    except OSError as error:
        raise DataError(f"The weights in {file} cannot be read", got=error.strerror, do="Check its permissions.") from error
    if first.startswith(_HDF5):
        return read_keras_squeezenet(file)
    # Before the pickles: a header of 128 bytes begins with the byte that a pickle begins with.
    if first[8:9] == b"{" and int.from_bytes(first[:8], "little") <= _LONGEST_HEADER:
        try:
            return _plain(load_file(file), file)
        except SafetensorError as error:
            raise DataError(f"The weights in {file} are damaged", got=str(error), do="Fetch or save the file again.") from error
    if first.startswith((_ZIP, _PICKLE)):
        return _plain(_unpickled(file), file)
    raise DataError(
        f"{file} holds no weights",
        expected="a safetensors file, a state dict saved by torch, or the SqueezeNet of Keras",
        got=_looks_like(first),
    )


def _looks_like(first: bytes) -> str:
    if not first:
        return "an empty file"
    if first.lstrip()[:1] == b"<":
        return "a web page: the download was of a page about the file"
    if first.startswith(b"version https://"):
        return "a pointer of Git LFS to the file: `git lfs pull` fetches it"
    return f"a file that begins with {first[:8]!r}"


def _unpickled(file: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles that torch did not write
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # of any kind: the bytes are those of a stranger
        # torch advises to read the file without its guard, which is the one thing not to do: its words are not passed on.
        if found := _CALLED.search(str(error)):
            raise DataError(
                f"{file} holds more than weights, and reading it would run code of whoever made it; nothing of it was run",
                expected="a state dict: names and tensors",
                got=f"a use of {found.group(1)}",
                do="Where you trust it, load it where it was made and save model.state_dict() alone.",
            ) from error
        said = next((line for line in str(error).splitlines() if "Unsupported" in line), None)
        raise DataError(
            f"{file} is damaged, or a pickle of something else than weights; nothing of it was run",
            got=(said or next(iter(str(error).strip().splitlines()), type(error).__name__)).strip().split(". ")[0],
            do="Fetch the file again, or save model.state_dict() alone with torch.save.",
        ) from error


def _plain(value: Any, file: Path) -> dict[str, Tensor]:
    """The state dict in what was read: itself, or below the key by which trainings keep it."""
    names = _state_dict(value)
    names.pop("n_averaged", None)  # a counter of torch's averaged models
    if not names:
        inside = f"a {type(value).__name__}" + (
            f" with {', '.join(map(str, list(value)[:6]))}" if isinstance(value, Mapping) else ""
        )
        raise DataError(f"{file} holds no state dict", expected="names and tensors", got=inside)
    while prefix := next((each for each in _PREFIXES if all(name.startswith(each) for name in names)), None):
        names = {name.removeprefix(prefix): tensor for name, tensor in names.items()}
    return names


def _state_dict(value: Any, depth: int = 0) -> dict[str, Tensor]:
    """The first names and tensors in wrappers within wrappers; empty where there are none."""
    if not isinstance(value, Mapping) or depth > _DEEPEST:
        return {}
    if all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items()):
        return dict(value)
    return next((found for key in _WRAPPERS if (found := _state_dict(value.get(key), depth + 1))), {})
