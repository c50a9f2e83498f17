"""What keeps the trainings of commands short."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def all_are_brief(brief: None) -> None:
    """`tests/report` and `tests/baselines` see to what is left out."""
