"""The diagnosis of a Run from its folder: the one that it keeps, or what can still be found out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from torch import nn

from leadline.data.dataset import Dataset
from leadline.diagnose.findings import Verdict
from leadline.models import Ensemble
from leadline.plan import Built, Plan, build
from leadline.runs import folder as folders
from leadline.runs.diagnoses import ROWLESS
from leadline.runs.diagnosing_afterwards import diagnose_again, diagnose_built, diagnose_course
from leadline.runs.diagnosis_file import kept_diagnosis, readings_in, verdict_in
from leadline.runs.observer import Observer
from leadline.runs.reloading import load_for
from leadline.runs.transfer_verdicts import with_transfer
from leadline.training import History
from leadline.training.devices import preserved
from leadline.training.recorded import keeping_buffers


def diagnose_run(
    folder: Path | str,
    source: Any = None,
    *,
    targets: Any = None,
    confirm: float = 0.0,
    anew: bool = False,
    rates: bool = False,
    observer: Observer | None = None,
) -> Verdict:
    """The diagnosis of a Run: the one that it keeps, or what can still be found out where it keeps none; kept from then on.

    Args:
        folder: of the Run, or "last".
        source: the same data again, where they were arrays.
        targets: for arrays.
        confirm: seconds for short trainings of copies that prove what is suspected.
        anew: look at the trained network again, even where a diagnosis is kept.
        rates: run a learning-rate range test, from the weights with which the training began.
        observer: is told.

    Errors: `RunError` for an unfinished Run without a diagnosis; what `load_for` says where the data are needed and gone.

    Example:
        >>> import tempfile
        >>> import leadline
        >>> quick = {"model": "linear", "training.epochs": 3, "training.threads": 1}
        >>> run = leadline.train("digits", changes=quick, folder=tempfile.mkdtemp())
        >>> diagnose_run(run.folder).healthy
        True
    """
    observer = observer or Observer()
    path = folders.locate(folder)
    kept = kept_diagnosis(path)
    if kept is not None and not anew and not confirm and not rates:
        return verdict_in(kept)
    again = kept is not None and not anew
    # A training that failed left no network, but trials begin where it began.
    run = None if again and folders.read_record(path)["status"] == "failed" else folders.open_run(path)
    plan, history = folders.read_plan(path), History.read(path / "history.jsonl")
    dataset = source if isinstance(source, Dataset) else load_for(plan, source, targets, observer)
    if dataset.task in ROWLESS:
        diagnosis = diagnose_course(dataset, history)
    else:
        doing = [] if again else ["of the network as it is now"]
        doing += ["trials on copies"] if again and confirm else []
        observer.note("diagnosis", ", ".join([*doing, *(["a learning-rate range test"] if rates else [])]))
        with preserved(), keeping_buffers():
            built = _rebuilt(plan, dataset, None if run is None else run.model)
            if again:
                assert kept is not None
                afterwards = bool(kept.get("afterwards"))
                diagnosis = diagnose_again(
                    plan, dataset, built, readings_in(kept), confirm=confirm, afterwards=afterwards, rates=rates
                )
            else:
                alone = plan.start.networks == 1 and not plan.start.weights
                diagnosis = diagnose_built(plan, dataset, built, history, confirm=confirm, initial=alone, rates=rates)
    diagnosis = with_transfer(diagnosis, folders.read_record(path).get("transfer"))
    diagnosis.keep(path, dataset)
    if run is not None:
        run.report()
    return diagnosis.verdict


def _rebuilt(plan: Plan, dataset: Dataset, model: nn.Module | None) -> Built:
    """What trained, as the Plan builds it on this machine, with the trained network as its model."""
    device = "cpu" if model is None else str(next(model.parameters()).device)
    here = plan.but({"training.device": device, "training.step": "plain"})
    # What a transferred network began with is gone with the Run that it came from.
    known = plan.start.weights and model is not None and not isinstance(model, Ensemble)
    built = build(here, dataset, first=model.state_dict() if known and model is not None else None)
    return built if model is None else dataclasses.replace(built, model=model)
