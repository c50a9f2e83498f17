"""The scripts of `benchmarks/diagnosis/` import each other by name; so do their tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "diagnosis"))
