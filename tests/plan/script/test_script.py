"""The form of a script: what it imports, how it is laid out, how long it is, and that it runs where Leadline is not."""

from __future__ import annotations

import ast
import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scripted import SETTLED, assert_same_weights, by_leadline, by_script, dataset, plan_for
from torch import nn

from leadline import data
from leadline.data import Split
from leadline.errors import PlanError, RunExistsError
from leadline.plan import build, propose
from leadline.plan.script import save_script

ALLOWED = {"torch", "numpy", "safetensors"}
STANDARD = {"collections", "contextlib", "copy", "dataclasses", "functools", "math", "pathlib", "types", "typing"}
FORMS: list[tuple[str, dict[str, Any]]] = [
    ("digits classes", {}),
    ("table number", {"training.monitor": "valid_mae"}),
    ("table labels", {"model.block": "gated", "model.embedding": "periodic"}),
    ("digits classes", {"model": "perceptron"}),
    ("vectors classes", {"training.optimizer": "lbfgs", "training.penalties.l2": 0.1}),
    ("vectors number", {"training.optimizer": "muon", "training.loss": "huber(delta=2)"}),
    ("vectors classes", {"training.penalties.l1": 0.1, "training.clip": "percentile(90)", "training.accumulate": 2}),
    ("vectors labels", {"training.monitor": "valid_average_precision", "training.schedule": "plateau * cosine"}),
    ("large classes", {"model": "resnet18", "training.layout": "channels_last", "training.augment.flip": True}),
    (
        "vectors classes",
        {"training.average": "swa(0.5, every=2)", "training.entropy_bonus": 0.1, "training.precision": "bfloat16"},
    ),
]


def written(name: str, changes: dict[str, Any], folder: Path) -> Path:
    return save_script(plan_for(name, changes), dataset(name), folder / "train.py")[0]


@pytest.mark.parametrize(("name", "changes"), FORMS, ids=str)
def test_it_imports_little_and_is_well_laid_out(name: str, changes: dict[str, Any], tmp_path: Path) -> None:
    path = written(name, changes, tmp_path)
    text = path.read_text(encoding="utf-8")
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {(node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports}
    roots = {each.split(".")[0] for each in names}
    assert roots - ALLOWED <= STANDARD & set(sys.stdlib_module_names)
    assert "leadline" not in text
    assert "Error" not in text
    ruff = [sys.executable, "-m", "ruff"]
    for words in (["check", "--isolated"], ["format", "--isolated", "--line-length", "128", "--check"]):
        done = subprocess.run([*ruff, *words, "--no-cache", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_digits_fit_on_a_few_pages(tmp_path: Path) -> None:
    digits = data.load("digits")
    text = save_script(propose(digits, SETTLED), digits, tmp_path / "digits.py")[0].read_text(encoding="utf-8")
    assert len(text.splitlines()) < 250
    assert "nn.Conv2d(1, 32, 3, padding=1, bias=False),\n    nn.BatchNorm2d(32),\n    nn.ReLU(),\n" in text, "layer by layer"


def test_what_the_network_does_not_use_is_not_in_it(tmp_path: Path) -> None:
    for embedding, there, absent in (
        ("periodic", "Periodic", "PiecewiseLinear"),
        ("piecewise_linear", "PiecewiseLinear", "Periodic"),
    ):
        (folder := tmp_path / embedding).mkdir()
        text = written("table number", {"model.embedding": embedding}, folder).read_text(encoding="utf-8")
        assert f"class {there}(" in text
        assert absent not in text
        assert "embedding=" not in text, "the choice is made"
        assert "def features" not in text, "no script asks for them"


def test_it_runs_where_leadline_is_not_and_spares_what_is_there(tmp_path: Path) -> None:
    path = written("vectors classes", {"model": "mlp", "model.width": 16}, tmp_path)
    blocked = "import sys, runpy; sys.modules['leadline'] = None; runpy.run_path(sys.argv[1], run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", blocked, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.count("valid loss") == 3
    ours = by_leadline(plan_for("vectors classes", {"model": "mlp", "model.width": 16}), dataset("vectors classes"))
    its = load_file(tmp_path / "model.safetensors")
    assert ours.keys() == its.keys()
    assert all(torch.equal(ours[name], its[name]) for name in ours)
    # What is there already is never written over.
    before = (tmp_path / "model.safetensors").read_bytes()
    with pytest.raises(SystemExit, match="exists already"):
        by_script(path)
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_the_arrays_beside_it_are_what_the_schema_stores(tmp_path: Path) -> None:
    rows = dataset("digits classes")
    _, arrays = save_script(plan_for("digits classes", {"model": "linear"}), rows, tmp_path / "a.py")
    stored = load_file(arrays)
    assert stored["train_inputs"].dtype == torch.uint8
    for part in ("train", "valid"):
        assert np.array_equal(stored[f"{part}_inputs"].numpy(), getattr(rows, part).inputs)
        assert np.array_equal(stored[f"{part}_targets"].numpy(), getattr(rows, part).targets)
    assert not [name for name in stored if "test" in name], "rows that no choice may see are not handed on"


def test_pictures_that_stay_on_the_disk_are_copied_from_there(tmp_path: Path) -> None:
    rows, plan = dataset("digits classes"), plan_for("digits classes", {"model": "linear", "training.epochs": 1})
    np.save(tmp_path / "pictures.npy", rows.train.inputs)
    mapped = np.load(tmp_path / "pictures.npy", mmap_mode="r")
    there = dataclasses.replace(rows, train=Split(mapped, rows.train.targets, rows.train.ids))
    assert_same_weights(plan, there, tmp_path)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    rows, plan = dataset("digits classes"), plan_for("digits classes", {"model": "linear"})
    for name in ("a.py", "a.safetensors"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(RunExistsError, match=rf"{name} exists already"):
            save_script(plan, rows, tmp_path / "a.py")
        assert [each.name for each in tmp_path.iterdir()] == [name]
        (tmp_path / name).unlink()


class Foreign:
    """A step that no script knows."""


def test_what_has_no_form_is_refused_in_one_paragraph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadline.plan.script.saving.build", lambda *given: dataclasses.replace(build(*given), step=Foreign()))
    with pytest.raises(PlanError, match=r"^model.name = 'mlp' cannot be written as a script: its step, Foreign, is .*\.$"):
        save_script(plan_for("vectors classes", {"model": "mlp"}), dataset("vectors classes"), tmp_path / "a.py")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_the_script_would_not_match_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(*given: Any) -> Any:
        built = build(*given)
        built.model[1].forward = lambda x: 2 * nn.Linear.forward(built.model[1], x)
        return built

    monkeypatch.setattr("leadline.plan.script.saving.build", changed)
    with pytest.raises(PlanError, match="the network of the script differs"):
        save_script(plan_for("vectors classes", {"model": "linear"}), dataset("vectors classes"), tmp_path / "a.py")
