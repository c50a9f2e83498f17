"""The training of a Run, or of a Plan, as a script that needs no Leadline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leadline import files
from leadline.data.dataset import Dataset
from leadline.data.pictures.pictures import Pictures
from leadline.errors import DataError, PlanError, RunError, SourceNotFoundError
from leadline.plan import Plan, measure
from leadline.plan.restarts import candidates
from leadline.plan.script import save_script
from leadline.runs import folder as folders
from leadline.runs.completing import completed
from leadline.runs.observer import Observer
from leadline.runs.reloading import load_for
from leadline.training.devices import preserved


@dataclass(frozen=True)
class Scripted:
    """What was written: the script, the arrays beside it, and how closely its weights are those of the Run.

    Example:
        >>> Scripted(Path("a.py"), Path("a.safetensors"), note="").script.name
        'a.py'
    """

    script: Path
    arrays: Path
    note: str


def script_run(
    folder: Path | str,
    output: Path | str | None = None,
    *,
    source: Any = None,
    targets: Any = None,
    observer: Observer | None = None,
) -> Scripted:
    """Write the training that a Run came from as a script, with its data beside it.

    Args:
        folder: of the Run, or "last".
        output: the script to write; the name of the Run's folder with .py, here, when left out.
        source: the same data again, where they were arrays and cannot be found by their name.
        targets: for arrays.
        observer: is told how reading the data goes.

    Errors: `DataError` when the data are no longer the same; `PlanError` for a choice that has no form as a script;
    `RunExistsError` where the files exist.

    Example:
        >>> import tempfile
        >>> import leadline
        >>> quick = {"model": "linear", "training.epochs": 1, "training.threads": 1, "training.step": "plain"}
        >>> run = leadline.train("digits", changes=quick, folder=tempfile.mkdtemp())
        >>> written = script_run(run.folder, tempfile.mkdtemp() + "/digits.py")
        >>> written.script.name, written.arrays.name, written.note
        ('digits.py', 'digits.safetensors', '')
    """
    path = folders.locate(folder)
    if not (path / "plan.json").exists():
        raise RunError(f"The training in {path} was stopped before its plan was written", do="Train anew.")
    plan = folders.read_plan(path)
    _check_whole(plan, decided=True)
    dataset = _loaded(plan, source, targets, observer)
    if dataset.fingerprint() != plan.data.hash:
        raise DataError(
            f"The data of {plan.data.source} have changed since the training in {path} began",
            do="Bring back the old data, or write the script of the plan alone: leadline show script "
            f"{path / 'plan.json'} --output NAME.py",
        )
    note = _closeness(plan)
    if plan.start.networks > 1:
        plan = _winning(path, plan)
    script, arrays = save_script(plan, dataset, output or Path(f"{path.absolute().name}.py"))
    return Scripted(script, arrays, note)


def script_plan(
    plan: Plan,
    output: Path | str | None = None,
    *,
    source: Any = None,
    targets: Any = None,
    observer: Observer | None = None,
) -> Scripted:
    """Write the training that a Plan describes as a script, with its data beside it; what it leaves open is measured first.

    Args:
        plan: with a source, unless one is given.
        output: the script to write; the name of the data with .py, here, when left out.
        source: the data, where the Plan names none or they were arrays.
        targets: for arrays.
        observer: is told how reading the data goes.

    Errors: `PlanError` where the Plan names no data or has a choice without a form as a script; `RunExistsError` where the
    files exist.

    Example:
        >>> import tempfile
        >>> plan = Plan().but({"model": "linear", "training.epochs": 1, "training.threads": 1, "training.device": "cpu"})
        >>> script_plan(plan, tempfile.mkdtemp() + "/digits.py", source="digits").script.name
        'digits.py'
    """
    if source is None and not plan.data.source:
        raise PlanError(
            "The plan names no data to train on", expected="data.source", do="`leadline plan SOURCE` writes a plan that does."
        )
    if plan.start.networks > 1:
        raise PlanError(
            f"The plan is for {plan.start.networks} networks, and a script trains one",
            do="Train it, and write the script of the Run: that of its best network.",
        )
    dataset = _loaded(plan, source, targets, observer)
    _check_whole(plan, decided=not isinstance(dataset.schema.inputs, Pictures))
    plan = completed(plan, dataset, observer or Observer())
    with preserved():
        resolved = measure(plan, dataset).plan if _open(plan) else plan
    script, arrays = save_script(resolved, dataset, output or Path(f"{Path(dataset.name).name or 'training'}.py"))
    return Scripted(script, arrays, _closeness(resolved))


def _check_whole(plan: Plan, *, decided: bool) -> None:
    """A script trains one network from its own first weights: what is made of another network is not in it."""
    start = plan.start
    if (
        start.transfers
        or start.solves
        or start.transfer == "fine-tune"
        or (start.weights and start.transfer == "auto" and not decided)
    ):
        raise PlanError(
            f"start.transfer = {start.transfer} cannot be written as a script: its network is made of another one",
            do="Use the Run itself (leadline.open gives its network, a torch module), or train with start.transfer = scratch.",
        )


def _loaded(plan: Plan, source: Any, targets: Any, observer: Observer | None) -> Dataset:
    if isinstance(source, Dataset):
        return source
    try:
        return load_for(plan, source, targets, observer)
    except SourceNotFoundError as error:
        raise SourceNotFoundError(
            "The data of the plan are gone, and a script needs them", expected=plan.data.source, do="Put them back."
        ) from error


def _open(plan: Plan) -> bool:
    """Whether the Plan leaves something for measuring."""
    training = plan.training
    choices = (training.layout, training.device, training.precision, training.step)
    return "auto" in choices or not training.threads or not training.accumulate


def _winning(path: Path, plan: Plan) -> Plan:
    """The Plan of that network, among many, which was kept."""
    if plan.start.ensemble:
        raise PlanError(
            "start.ensemble = true cannot be written as a script: it trains one network",
            do="Train without it, and write the script of the best network.",
        )
    if not (path / "results.json").exists():
        raise RunError(f"Which network of {path} is the best is not known yet", do=f"Finish it: leadline resume {path}")
    winner: int = files.read_json(path / "results.json")["restarts"]["winner"]
    return candidates(plan)[winner]


def _closeness(plan: Plan) -> str:
    """Why the weights of the script may differ from the Run's, where they may."""
    if plan.start.networks > 1 and plan.start.together == "stacked":
        return "the networks were trained in one stacked program: the script's weights agree, perhaps not to the last bit"
    if plan.training.step not in ("auto", "plain"):
        return f"training.step = {plan.training.step}: the script takes plain steps; weights may differ in the last bits"
    return ""
