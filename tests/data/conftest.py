"""Small folders of photos, made on the spot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Make = Callable[..., Path]


@pytest.fixture
def photos(tmp_path: Path) -> Make:
    """Make a folder from {"class/prefix": how many}: noise pictures, all different, of the class's own brightness."""

    def make(counts: Mapping[str, int], *, root: str = "photos", size: tuple[int, int] = (20, 24), mode: str = "RGB") -> Path:
        random = np.random.default_rng(sum(map(ord, root)))
        for number, (prefix, count) in enumerate(counts.items()):
            for index in range(count):
                path = tmp_path / root / f"{prefix}{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                shape = size if mode == "L" else (*size, 3)
                values = random.integers(0, 60, shape, dtype=np.uint8) + np.uint8(60 * (number % 4))
                Image.fromarray(values).save(path)
        return tmp_path / root

    return make
