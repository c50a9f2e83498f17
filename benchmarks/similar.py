"""Look-alikes: one query among 100,000 pictures, opening such an index, and near-copies among 10,000 photos.

The features are drawn around 1,000 centres, as those of pictures of a kind are, and lie in the file that `leadline similar`
keeps, memory-mapped. By hand means `features @ query` and `argpartition` in numpy, float32, in memory. The answers of both are
compared in every query.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine, spread, write

from leadline.data.pictures.near_copies import find_near_copies
from leadline.explain.look_alikes import nearest_by_features, unit_rows
from leadline.runs.index_file import Entry, read_index, write_index

ROWS, QUERIES, COUNT, TOGETHER = 100_000, 40, 12, 64
PHOTOS, SIDE = 10_000, 96


def milliseconds(action: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = action()
    return 1e3 * (time.perf_counter() - began), result


def by_hand(features: np.ndarray[Any, Any], query: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    cosines = features @ query
    first = np.argpartition(-cosines, COUNT)[:COUNT]
    return first[np.argsort(-cosines[first])]


def search(width: int) -> dict[str, Any]:
    random = np.random.default_rng(width)
    centres = random.standard_normal((1000, width), dtype=np.float32)
    features = np.maximum(centres[random.integers(0, 1000, ROWS)] + random.standard_normal((ROWS, width), dtype=np.float32), 0)
    stored = unit_rows(features)
    whole = stored.float().numpy()
    entries = {f"class/{row}.jpg": Entry(1, 1, f"{row:032x}", row) for row in range(ROWS)}
    queries = np.maximum(centres[:QUERIES] + random.standard_normal((QUERIES, width), dtype=np.float32), 0)
    unit = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.safetensors"
        write_index([path], "key", Path(folder), entries, stored)
        opening, (_, mapped) = milliseconds(lambda: read_index(path, "key"))
        first, _ = milliseconds(lambda: nearest_by_features(mapped, queries[0], COUNT))
        taken: dict[str, list[float]] = {"leadline": [], "by hand": []}
        for asked, plain in zip(queries, unit, strict=True):
            ours, (rows, _) = milliseconds(lambda asked=asked: nearest_by_features(mapped, asked, COUNT))
            theirs, right = milliseconds(lambda plain=plain: by_hand(whole, plain))
            assert rows.tolist() == right.tolist(), "the neighbours differ"
            taken["leadline"].append(ours)
            taken["by hand"].append(theirs)
        many = np.resize(queries, (TOGETHER, width))
        together, _ = milliseconds(lambda: nearest_by_features(mapped, many, COUNT))
    median = statistics.median(taken["leadline"])
    print(
        f"{ROWS:,} × {width:,}: {median:.1f} ms a query, by hand {statistics.median(taken['by hand']):.1f} ms; "
        f"{together / TOGETHER:.1f} ms each of {TOGETHER} together; opening {opening:.0f} ms, first query {first:.0f} ms"
    )
    return {
        "milliseconds_a_query": {name: spread(values) for name, values in taken.items()},
        "milliseconds_a_query_of_64": together / TOGETHER,
        "milliseconds_opening": opening,
        "milliseconds_first_query": first,
    }


def copies() -> dict[str, Any]:
    """Smooth random photos, every hundredth of them a mirrored, paler copy of the one before it."""
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(PHOTOS, 3, 12, 12, generator=random)
    photos = np.empty((PHOTOS, SIDE, SIDE, 3), np.uint8)
    for start in range(0, PHOTOS, 500):
        fine = torch.nn.functional.interpolate(coarse[start : start + 500], size=(SIDE, SIDE), mode="bicubic").clamp(0, 1)
        photos[start : start + 500] = (255 * fine).byte().permute(0, 2, 3, 1).numpy()
    photos[99::100] = photos[98::100, :, ::-1] // 2 + 100
    taken, found = milliseconds(lambda: find_near_copies(photos))
    right = int((found.rows % 100 == 99).sum())
    print(
        f"near-copies among {PHOTOS:,} photos of {SIDE} pixels: {taken / 1e3:.2f} s, {right} of {PHOTOS // 100} found, "
        f"{len(found) - right} others"
    )
    return {"seconds": taken / 1e3, "photos": PHOTOS, "planted": PHOTOS // 100, "found": right, "others": len(found) - right}


def main() -> None:
    record: dict[str, Any] = {"machine": machine(), "rows": ROWS, "neighbours": COUNT}
    for width in (512, 1280):
        record[f"width_{width}"] = search(width)
    write("similar", {**record, "near_copies": copies()})


if __name__ == "__main__":
    main()
