"""One finished Run for all tests of a file, and what keeps trainings short."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from small_trainings import QUICK

import leadline
from leadline.runs import Run, finishing


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return leadline.train("digits", folder=tmp_path_factory.mktemp("runs") / "digits", changes=QUICK)


@pytest.fixture(scope="module", autouse=True)
def little_time_for_baselines() -> Iterator[None]:
    """One setting of each baseline in place of all that 20 seconds have room for, which `tests/baselines` sees to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finishing, "_BASELINE_LEAST", 0.001)
        yield
