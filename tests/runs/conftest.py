"""One finished Run for all tests of a file, and what keeps trainings short."""

from __future__ import annotations

import pytest
from small_trainings import QUICK

import leadline
from leadline.runs import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return leadline.train("digits", folder=tmp_path_factory.mktemp("runs") / "digits", changes=QUICK)


@pytest.fixture(scope="module", autouse=True)
def all_are_brief(brief: None) -> None:
    """`tests/report` and `tests/baselines` see to what is left out."""
