"""The file that an index of pictures lies in: features and what they are of, written whole, checked when it is opened.

It is one safetensors file: `features`, float16 [N, D] in rows of length 1, and `record`, the bytes of a JSON object that says
of which network, folder and files they are.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor

from leadline import files
from leadline.data.caching import cache_folder
from leadline.errors import StorageError
from leadline.runs.folder import read_record
from leadline.runs.run import Run

_FORMAT = 1  # of the file and of what is stored in it; part of the key, so that another one starts afresh
_SAMPLE = 1024  # rows whose checksum tells a damaged file


@dataclass(frozen=True)
class Entry:
    """What is known of one file: its size, the time of its last change, its content's hash, and where its features stand.

    `row` is −1 for a file that is no picture, and `bad` says why. `sure` tells whether the file was old enough when it was read
    for any later change to show in its time.

    Example:
        >>> Entry(1024, 1_700_000_000_000_000_000, "9f86d081", 0).bad
        ''
    """

    size: int
    time: int
    digest: str
    row: int
    bad: str = ""
    sure: bool = True


def key_of(run: Run, folder: Path) -> str:
    """What an index is of: these weights, this preprocessing, this folder."""
    hashes = read_record(run.folder)["sha256"]
    told = [_FORMAT, hashes.get("model.safetensors"), hashes.get("schema.json"), str(folder)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:24]


def paths_for(run: Run, key: str) -> list[Path]:
    """Where it may lie: beside the Run, or in the cache where that may not be written to."""
    return [place / f"{key}.safetensors" for place in (run.folder / "similar", cache_folder() / "similar")]


def read_index(path: Path, key: str) -> tuple[dict[str, Entry], Tensor]:
    """The entries by name, and the features, memory-mapped.

    Errors: `ValueError` for a file that is damaged or of something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads(bytes(file.get_tensor("record").numpy()))
            features: Tensor = file.get_tensor("features")
        entries = {name: Entry(*rest) for name, *rest in record["files"]}
        sound = record["key"] == key and record["checksum"] == _checksum(features) and features.dtype == torch.float16
        rows = sorted(entry.row for entry in entries.values() if entry.row >= 0)
        if not sound or (rows and not rows[0] <= rows[-1] < len(features)):
            raise ValueError("its parts do not belong together")
    except (SafetensorError, KeyError, TypeError, IndexError) as error:
        raise ValueError(str(error)) from error
    return entries, features


def write_index(paths: Sequence[Path], key: str, folder: Path, entries: Mapping[str, Entry], features: Tensor) -> Path | None:
    """Write it to the first of some places that takes it; None where none does."""
    listed = [[name, *astuple(entry)] for name, entry in entries.items()]
    record = {"key": key, "folder": str(folder), "checksum": _checksum(features), "files": listed}
    content = serialize(
        {
            "features": features.contiguous(),
            "record": torch.frombuffer(bytearray(json.dumps(record).encode()), dtype=torch.uint8),
        }
    )
    for path in paths:
        try:
            with files.storage(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                files.sweep(path.parent)
            with files.writing(path) as file:
                file.write(content)
        except (StorageError, OSError):
            continue
        return path
    return None


def _checksum(features: Tensor) -> int:
    some = features[:: max(1, len(features) // _SAMPLE)].contiguous()
    return zlib.crc32(repr(tuple(features.shape)).encode() + some.numpy().tobytes())
