"""One finished Run for all tests of a file."""

from __future__ import annotations

import pytest
from small_trainings import QUICK

import leadline
from leadline.runs import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return leadline.train("digits", folder=tmp_path_factory.mktemp("runs") / "digits", changes=QUICK)
