"""Checkpoints: one safetensors file, written whole or not at all; no pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor

from leadline import files
from leadline.errors import RunError

_TENSOR, _PAIRS, _TUPLE = "\0tensor", "\0pairs", "\0tuple"


def save(path: Path, state: dict[str, Any]) -> None:
    """Write nested dicts, lists and tuples of tensors and plain values to one file.

    Errors: `StorageError` when the disk is full or not writable; what was there before is kept.
    """
    tensors: dict[str, Tensor] = {}
    tree = _pack(state, tensors)
    content = serialize(tensors, metadata={"state": json.dumps(tree)})
    with files.writing(path) as file:
        file.write(content)


def load(path: Path) -> dict[str, Any]:
    """The state that `save` wrote, tensors on the CPU.

    Errors: `RunError` when the file is not a whole checkpoint.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tree = json.loads(file.metadata()["state"])
            state = _unpack(tree, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise RunError(
            f"The checkpoint {path} is damaged", got=str(error), do="Restore it from a copy, or train anew."
        ) from error
    assert isinstance(state, dict)
    return state


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        # A channels-last tensor comes back as it was: its layout decides in which order sums run, and so the last bits.
        layout = value.is_contiguous(memory_format=torch.channels_last) if value.ndim == 4 else False
        return {_TENSOR: name, "channels_last": layout and not value.is_contiguous()}
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {key: _pack(item, tensors) for key, item in value.items()}
        return {_PAIRS: [[key, _pack(item, tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        items = [_pack(item, tensors) for item in value]
        return {_TUPLE: items} if isinstance(value, tuple) else items
    return value


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if _TENSOR in value:
        # A tensor on the file's own memory begins anywhere, and where it begins decides the last bits of its sums.
        layout = torch.channels_last if value["channels_last"] else torch.contiguous_format
        return tensors[value[_TENSOR]].clone(memory_format=layout)
    if _PAIRS in value:
        return {key: _unpack(item, tensors) for key, item in value[_PAIRS]}
    if _TUPLE in value:
        return tuple(_unpack(item, tensors) for item in value[_TUPLE])
    return {key: _unpack(item, tensors) for key, item in value.items()}
