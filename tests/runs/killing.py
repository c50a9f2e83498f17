"""Run by `test_killed.py` in a process of its own: kills trainings by SIGKILL and prints what their weights came to.

Each training is a real process, forked after the imports so that only training is waited for.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch

import leadline
from leadline.files import sha256
from leadline.training import checkpoints

CHANGES = {
    "model": "convnet",
    "model.width": 4,
    "training.epochs": 8,
    "training.batch": 16,
    "training.threads": 1,
    "training.layout": "contiguous",
}
EVERY = 0.04  # seconds: checkpoints so close together that some kills fall into the writing of one


def start(folder: Path) -> int:
    """Train in a forked process, or go on where the folder holds a Run already; its process number."""
    pid = os.fork()
    if pid == 0:
        try:
            torch.set_num_threads(1)
            if (folder / "run.json").exists():
                leadline.resume(folder, checkpoint_every=EVERY)
            else:
                leadline.train("digits", folder=folder, changes=CHANGES, checkpoint_every=EVERY)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return pid


def whole(folder: Path) -> None:
    """Train to the end."""
    _, status = os.waitpid(start(folder), 0)
    if status != 0:
        raise SystemExit(f"the training in {folder} ended with status {status}")


def killed(folder: Path, moment: float, *, while_training: bool) -> bool:
    """Kill a training some seconds after its start, or after its first checkpoint; whether it was still alive."""
    before = checkpoint_time(folder)
    pid = start(folder)
    deadline = time.monotonic() + 60
    while while_training and checkpoint_time(folder) == before and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(moment)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def checkpoint_time(folder: Path) -> int:
    path = folder / "checkpoint" / "training.safetensors"
    return path.stat().st_mtime_ns if path.exists() else 0


def status(folder: Path) -> str:
    path = folder / "run.json"
    return str(json.loads(path.read_text())["status"]) if path.exists() else "nothing"


def records(folder: Path) -> list[dict[str, Any]]:
    """The history, without the seconds."""
    lines = (folder / "history.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name != "seconds"} for line in lines]


def main(folder: Path, kills: int) -> None:
    torch.set_num_threads(1)
    whole(folder / "reference")
    expected = sha256(folder / "reference" / "model.safetensors")
    last = json.loads((folder / "reference" / "history.jsonl").read_text().splitlines()[-1])
    chance = random.Random(0)
    target, steps, same, alive = folder / "killed", [], [], 0
    for number in range(kills):
        if status(target) == "nothing" and target.exists():  # killed in the instant before it became a Run
            target = folder / f"anew-{number}"
        if status(target) == "finished":
            same.append(sha256(target / "model.safetensors") == expected and records(target) == records(folder / "reference"))
            target = folder / f"killed-{number}"
        # Three moments of four lie in the training itself, a few in what comes before and after it.
        inside = number % 4 != 3
        alive += killed(target, chance.uniform(0, last["seconds"] / (6 if inside else 1)), while_training=inside)
        if checkpoint_time(target):
            steps.append(checkpoints.load(target / "checkpoint" / "training.safetensors")["step"])
            if steps[-2:] == [last["step"]] * 2:  # two fell behind the training; the rest shall fall into another
                whole(target)
    if status(target) != "finished":
        whole(target)
    same.append(sha256(target / "model.safetensors") == expected and records(target) == records(folder / "reference"))
    print(json.dumps({"same": same, "alive": alive, "steps_at_kills": steps, "steps": last["step"]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
