"""Weights as other programs leave them in files: safetensors, torch's two formats, and Keras's HDF5. Nothing is executed."""

from __future__ import annotations

import json
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
from leadline.models.foreign_files import looks_like, other_pickle
from leadline.models.keras_squeezenets import read_keras_squeezenet

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"
_LONGEST_HEADER = 100_000_000  # bytes, of a safetensors file
# What trainings wrap their weights in, the most telling first, and what wrappers of modules put before each name.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params", "model_state")
_CALLED = re.compile(r"(?:GLOBAL|Trying to (?:call|load|instantiate) (?:reduce for )?\S*?)\s*((?:\w+\.)+\w+)")
_EARLY = re.compile(r"expected (\d+) more bytes")
_PREFIXES = ("module.", "_orig_mod.")
_ENDINGS = {".safetensors", ".pt", ".pth", ".th", ".bin", ".ckpt", ".h5"}
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
        beside = sorted(each.name for each in path.iterdir() if each.suffix in _ENDINGS) if path.is_dir() else []
        raise SourceNotFoundError(
            f"There are no weights at {path}",
            expected="a file of weights, or a folder with model.safetensors in it",
            do=f"Name the file itself: {path / beside[0]}." if beside else None,
        )
    try:
        with file.open("rb") as opened:
            first = opened.read(40)
    except OSError as error:
        raise DataError(f"The weights in {file} cannot be read", got=error.strerror, do="Check its permissions.") from error
    if first.startswith(_HDF5):
        return read_keras_squeezenet(file)
    # Before the pickles: a header of 128 bytes begins with the byte that a pickle begins with.
    if first[8:9] == b"{" and int.from_bytes(first[:8], "little") <= _LONGEST_HEADER:
        try:
            return _plain(load_file(file), file)
        except SafetensorError as error:
            got = _too_short(file) or str(error)
            raise DataError(f"The weights in {file} are damaged", got=got, do="Fetch or save the file again.") from error
    if first.startswith((_ZIP, _PICKLE)):
        return _plain(_unpickled(file), file)
    raise DataError(
        f"{file} holds no weights",
        expected="a safetensors file, a state dict saved by torch, or the SqueezeNet of Keras",
        got=looks_like(first, file.stat().st_size),
    )


def _too_short(file: Path) -> str:
    """How much of a safetensors file is missing, by what its header tells; empty where nothing is, or the header does not."""
    have = file.stat().st_size
    with file.open("rb") as opened:
        header = int.from_bytes(opened.read(8), "little")
        if header > have - 8:
            return f"the first {have:,} bytes of a file whose header alone has {header:,}"
        try:
            parts = json.loads(opened.read(header)).values()
            need = 8 + header + max((part["data_offsets"][1] for part in parts if "data_offsets" in part), default=0)
        except (ValueError, TypeError, AttributeError, LookupError):
            return ""
    return f"the first {have:,} of its {need:,} bytes" if have < need else ""


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
        if kind := other_pickle(file):
            raise DataError(
                f"{file} holds no weights that torch.save has written; nothing of it was run",
                expected="a state dict: names and tensors",
                got=kind,
                do="Where you trust it, load it where it was made and write model.state_dict() with torch.save.",
            ) from error
        raise DataError(
            f"{file} is damaged, so no weights can be read from it; nothing of it was run",
            got=_damage(error, file),
            do="Fetch the file again, or save model.state_dict() alone with torch.save.",
        ) from error


def _damage(error: Exception, file: Path) -> str:
    size = f"{file.stat().st_size:,} bytes"
    said = str(error)
    if found := _EARLY.search(said):
        return f"{size} of a file that goes on for {int(found.group(1)):,} more"
    if any(words in said for words in ("central directory", "Ran out of input", "unexpected EOF")) or not said:
        return f"{size} of a file that goes on: its end is missing"
    if "not a ZIP archive" in said:
        return f"{size} that begin as a zip archive does, and are none"
    return said.strip().splitlines()[0].split(". ")[0].strip()


def _plain(value: Any, file: Path) -> dict[str, Tensor]:
    """The state dict in what was read: itself, or below the key by which trainings keep it."""
    names = _state_dict(value)
    names.pop("n_averaged", None)  # a counter of torch's averaged models
    if not names:
        raise DataError(
            f"{file} holds no state dict",
            expected="names and tensors, alone or below one of " + ", ".join(_WRAPPERS),
            got=_inside(value),
            do="Write model.state_dict() alone with torch.save.",
        )
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


def _inside(value: Any) -> str:
    if not isinstance(value, Mapping):
        return f"a {type(value).__name__}" + (f" of shape {list(value.shape)}" if isinstance(value, Tensor) else "")
    if {"state", "param_groups"} <= value.keys():
        return "the state of an optimizer"
    names = ", ".join(map(str, list(value)[:6]))
    return f"a {type(value).__name__} with {names}{', …' if len(value) > 6 else ''}" if value else "an empty one"
