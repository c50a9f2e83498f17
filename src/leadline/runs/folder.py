"""The Run folder: what lies in it, how it is made, opened and checked. Opening needs no training code and never unpickles."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save as serialize_arrays
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as serialize
from torch import nn

from leadline import __version__, files
from leadline.data.schema import Schema
from leadline.errors import RunError, RunExistsError, SourceNotFoundError
from leadline.language import NGramNetwork, open_ngrams
from leadline.models import Ensemble
from leadline.plan.counted_models import COUNTED
from leadline.plan.network_building import network
from leadline.plan.record import Plan
from leadline.runs.run import Run
from leadline.training import choose_device

FORMAT = 1
MODEL = "model.safetensors"
RUNS = Path("runs")
MENDING = "mending"
"""The status of a Run while the files of a better one take the place of its own."""
ANEW = "mending"
"""Where trainings anew lie while a Run is mended."""
_GOLDEN_ROWS = 4
_GOLDEN_TOLERANCE = 5e-3  # of probabilities, or relative to numbers: room for another device's sums, not for other weights


def create(name: str, folder: Path | str | None) -> Path:
    """A new, empty folder: the one asked for, or the next free `runs/NAME-N`.

    Errors: `RunExistsError` when something lies in the folder asked for.
    """
    if (chosen := check_free(folder)) is not None:
        return files.make_folder(chosen)
    stem = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run"
    with files.storage(RUNS):
        RUNS.mkdir(exist_ok=True)
        for number in range(1, 1_000_000):
            try:
                (path := RUNS / f"{stem}-{number}").mkdir()
            except FileExistsError:
                continue
            return path
    raise RunExistsError(f"There are a million runs named {stem} in {RUNS}", do="Give a folder of its own with --folder.")


def check_free(folder: Path | str | None) -> Path | None:
    """The folder as a path, if it is new or empty.

    Errors: `RunExistsError` when something lies in it.
    """
    if folder is None:
        return None
    path = Path(folder)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RunExistsError(
            f"{path} already holds something",
            expected="a new or empty folder",
            do=f"Choose another, or go on with: leadline resume {path}" if _interrupted(path) else "Choose another.",
        )
    return path


def _interrupted(path: Path) -> bool:
    """Whether a training in this folder would go on if it were resumed: one that failed fails again."""
    try:
        return read_record(path)["status"] not in ("finished", "failed")
    except RunError:
        return False


def locate(folder: Path | str) -> Path:
    """The folder of a Run; "last" is the newest one in `runs/`. Where mending was killed it is put back as it was before.

    Errors: `SourceNotFoundError` when there is none; `RunExistsError` while another process puts a better Run in its place.
    """
    if str(folder) == "last" and not Path("last").exists():
        found = {path.parent: _created(path) for path in RUNS.glob("*/run.json")}
        if not found:
            raise SourceNotFoundError("There is no run yet in runs/", do="Train one: leadline train digits")
        return max(found, key=lambda path: (found[path], path.name))
    path = Path(folder)
    if not (path / "run.json").exists():
        exists = f"{path} is not a Run folder" if path.exists() else f"There is no folder {path}"
        raise SourceNotFoundError(exists, expected='a folder that leadline train has written, or "last"')
    if _status(path) == MENDING:
        with locked(path):
            if _status(path) == MENDING:  # still, so that whoever mended it was killed
                undo_mending(path)
    return path


def undo_mending(path: Path) -> None:
    """Put back the files that a mending which did not come to its end had begun to replace; the record of the Run last."""
    before = path / str(read_record(path)["before"])
    for file in sorted(before.iterdir()):
        if file.is_dir():
            shutil.copytree(file, path / file.name, dirs_exist_ok=True)
        elif file.name != "run.json":
            copy_file(file, path / file.name)
    copy_file(before / "run.json", path / "run.json")
    shutil.rmtree(before)
    shutil.rmtree(path / ANEW, ignore_errors=True)


def copy_file(source: Path, target: Path) -> None:
    """Whole or not at all."""
    with files.writing(target) as written:
        written.write(source.read_bytes())


def _status(path: Path) -> str:
    """What `run.json` says; of one that is damaged nothing."""
    try:
        return str(read_record(path)["status"])
    except RunError:
        return ""


def _created(path: Path) -> str:
    """When a Run was made; one that is damaged counts as the oldest."""
    try:
        return str(_read(path)["created"])
    except (RunError, KeyError, TypeError):
        return ""


def open_run(folder: Path | str, *, device: str = "auto") -> Run:
    """Open a finished Run, check that nothing in it has changed, and check the network on its golden pairs.

    Args:
        folder: of the Run, or "last" for the newest in `runs/`.
        device: auto, cpu, cuda …

    Errors: `SourceNotFoundError` when it is not there; `RunError` when it is unfinished, damaged, or of a newer version.

    Example:
        >>> import tempfile
        >>> import leadline
        >>> rows, folder = np.random.default_rng(0).normal(size=(60, 4)), tempfile.mkdtemp()
        >>> quick = {"model": "linear", "training.epochs": 1, "training.threads": 1}
        >>> run = leadline.train(rows, targets=rows[:, 0] > 0, changes=quick, folder=folder)
        >>> leadline.open(folder).score == run.score
        True
    """
    path = locate(folder)
    record = read_record(path)
    if record["status"] == "failed":
        raise RunError(
            f"The training in {path} failed, so there is no network to use, and resumed it would fail again",
            do="Train anew with another choice, for instance a tenth of the learning rate: "
            f"leadline train SOURCE --plan {path / 'plan.json'} --set training.learning_rate=…",
        )
    if record["status"] != "finished":
        raise RunError(
            f"The training in {path} is not finished (it is marked {record['status']!r})",
            do=f"Go on with it: leadline resume {path}",
        )
    _check_hashes(path, record["sha256"])
    plan, schema = read_plan(path), Schema.from_json(_read(path / "schema.json"))
    if plan.model.name in COUNTED:
        return _checked(Run(path, plan, schema, NGramNetwork(open_ngrams(path / MODEL)), torch.device("cpu")))
    try:
        weights = parse_tensors((path / MODEL).read_bytes())
        model = _model(plan, schema, weights)
        model.load_state_dict(weights)
    except (RuntimeError, SafetensorError) as error:
        raise RunError(
            f"The weights in {path} do not fit the network of its plan", got=str(error).splitlines()[-1].strip()
        ) from error
    chosen = choose_device(device)
    return _checked(Run(path, plan, schema, model.to(chosen), chosen))


def _model(plan: Plan, schema: Schema, weights: dict[str, torch.Tensor]) -> nn.Module:
    """The network of the Plan, or as many of them as the weights of its ensemble are."""
    if not plan.start.ensemble:
        return network(plan, schema)
    count = len({name.split(".")[1] for name in weights})
    return Ensemble([network(plan, schema) for _ in range(count)], schema.task)


def read_record(path: Path) -> dict[str, Any]:
    """What `run.json` says.

    Errors: `RunError` when the Run is of a newer version or the file is damaged.
    """
    record = _read(path / "run.json")
    if not isinstance(record, dict) or not {"format", "status", "sha256"} <= set(record):
        raise RunError(f"{path / 'run.json'} is damaged", do="Restore it from a copy, or train anew.")
    if record["format"] > FORMAT:
        raise RunError(
            f"The Run in {path} was written by a newer Leadline ({record.get('leadline')})",
            expected=f"format {FORMAT} or older",
            got=record["format"],
            do="Upgrade: pip install -U leadline.",
        )
    return record


def read_plan(path: Path) -> Plan:
    """The resolved plan of a Run.

    Errors: `RunError` when the file is damaged.
    """
    return Plan.from_json(_read(path / "plan.json"))


def write_record(path: Path, status: str, **more: Any) -> None:
    """Write or renew `run.json` with this status."""
    known = (
        _read(path / "run.json") if (path / "run.json").exists() else {"created": datetime.now(UTC).isoformat(), "sha256": {}}
    )
    files.write_json(path / "run.json", {"format": FORMAT, "leadline": __version__, **known, "status": status, **more})


def save_model(path: Path, run: Run, golden_inputs: Any) -> None:
    """Write the weights and some golden input and output pairs."""
    # Copied, as two names may stand for one tensor, which the file could not hold.
    weights = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in run.model.state_dict().items()}
    with files.writing(path / MODEL) as file:
        file.write(serialize(weights))
    save_golden(path, run, golden_inputs)


def save_golden(path: Path, run: Run, golden_inputs: Any) -> None:
    """Write some golden input and output pairs."""
    inputs = run.predictor.together(golden_inputs[:_GOLDEN_ROWS])
    outputs = np.ascontiguousarray(run.predictor.all_values(inputs))  # the file takes memory as it lies
    with files.writing(path / "golden.safetensors") as file:
        file.write(serialize_arrays({"inputs": inputs, "outputs": outputs}))


def hashes(path: Path) -> dict[str, str]:
    """SHA-256 of the files that prediction depends on."""
    return {name: files.sha256(path / name) for name in ("plan.json", "schema.json", MODEL, "golden.safetensors")}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Within the block no other process can train in this folder.

    Errors: `RunExistsError` when another does.
    """
    with files.storage(path):
        file = (path / ".lock").open("w")
    with file:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunExistsError(f"Another process is training in {path}", do="Wait until it has ended.") from error
        yield


def _check_hashes(path: Path, expected: dict[str, str]) -> None:
    for name, value in expected.items():
        if not (path / name).exists():
            raise RunError(f"{path / name} is missing", do="Restore the folder from a copy, or train anew.")
        if files.sha256(path / name) != value:
            raise RunError(
                f"{path / name} has changed since the training wrote it (its SHA-256 differs)",
                do="Restore it from a copy, or train anew.",
            )


def _checked(run: Run) -> Run:
    """The Run, when its network gives the outputs that it gave."""
    golden = load_arrays(run.folder / "golden.safetensors")
    outputs = run.predictor.all_values(golden["inputs"])
    worst = float(np.abs(outputs - golden["outputs"]).max() / max(1.0, np.abs(golden["outputs"]).max()))
    if not worst <= _GOLDEN_TOLERANCE:
        raise RunError(
            f"The network in {run.folder} no longer gives the outputs it gave when it was trained",
            expected=f"a difference of at most {_GOLDEN_TOLERANCE:g}",
            got=f"{worst:.3g}",
            do=f"Compare environment.json with this machine (torch {torch.__version__}).",
        )
    return run


def _read(path: Path) -> Any:
    try:
        return files.read_json(path)
    except ValueError as error:
        raise RunError(f"{path} is damaged", got=str(error), do="Restore it from a copy, or train anew.") from error
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing", do="Restore the folder from a copy, or train anew.") from error
