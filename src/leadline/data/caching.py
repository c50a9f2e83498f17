"""Where downloads and decoded pictures are kept between starts."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder(cache: Path | str | None = None) -> Path:
    """The folder given, else the one in the environment variable LEADLINE_CACHE, else the system's usual place.

    Example:
        >>> cache_folder("/tmp/mine").name
        'mine'
    """
    chosen = cache or os.environ.get("LEADLINE_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("leadline"))
