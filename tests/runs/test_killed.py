"""Killed by SIGKILL at 20 random moments and resumed: the final weights are the same to the bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_twenty_kills_leave_no_trace(tmp_path: Path) -> None:
    script = Path(__file__).parent / "killing.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "20"], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert all(outcome["same"]), outcome
    assert outcome["alive"] >= 15, f"most were killed too late: {outcome}"
    within = [step for step in outcome["steps_at_kills"] if 0 < step < outcome["steps"]]
    assert len(set(within)) >= 8, f"too few kills fell into the training: {outcome}"
