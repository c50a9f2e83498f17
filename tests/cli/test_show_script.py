"""`leadline show script`: a Run or a plan as a file of plain PyTorch."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file

import leadline
from leadline.cli.show_script import command
from leadline.errors import ArgumentError, DataError, PlanError, RunExistsError, SourceNotFoundError
from leadline.plan import Plan
from leadline.runs.scripting import script_plan, script_run
from leadline.training.devices import preserved

QUICK = {
    "model": "mlp",
    "model.width": 16,
    "training.epochs": 2,
    "training.threads": 1,
    "training.device": "cpu",
    "training.step": "plain",
}
TABLE = "a,city,y\n" + "".join(f"{at % 17},{('Ulm', 'Kiel')[at % 3 == 0]},{('no', 'yes')[at % 17 > 7]}\n" for at in range(90))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a Run of a small table in it."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "rows.csv").write_text(TABLE)
    leadline.train(folder / "rows.csv", folder=folder / "rows-1", changes=QUICK | {"data.target": "y"})
    return folder


def type_in(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


def run(script: Path) -> dict[str, torch.Tensor]:
    with preserved(), contextlib.redirect_stdout(io.StringIO()):
        exec(compile(script.read_text(encoding="utf-8"), str(script), "exec"), {"__file__": str(script)})
    return load_file(script.with_name("model.safetensors"))


def test_a_run_becomes_a_script_that_gives_its_weights(place: Path, tmp_path: Path) -> None:
    said = type_in(place / "rows-1", "--output", tmp_path / "mine.py")
    assert said.exit_code == 0, said.output
    assert said.stdout == f"python {tmp_path / 'mine.py'}\n"
    assert all(part in said.stderr for part in ("mine.safetensors", " kB", " lines"))
    ours, its = load_file(place / "rows-1" / "model.safetensors"), run(tmp_path / "mine.py")
    assert ours.keys() == its.keys()
    assert all(torch.equal(ours[name], its[name]) for name in ours)


def test_it_is_named_after_the_run_or_the_data(place: Path, workplace: Path) -> None:
    assert type_in(place / "rows-1").stdout == "python rows-1.py\n"
    plan = Plan().but(QUICK | {"data.target": "y"})
    assert script_plan(plan, source=place / "rows.csv").script == Path("rows.py")
    assert sorted(path.name for path in workplace.iterdir()) == [
        "rows-1.py",
        "rows-1.safetensors",
        "rows.py",
        "rows.safetensors",
    ]


@pytest.mark.parametrize("form", ["toml", "json"])
def test_a_plan_file_becomes_the_same_script(form: str, place: Path, tmp_path: Path) -> None:
    resolved = Plan.from_json(json.loads((place / "rows-1" / "plan.json").read_text()))
    file = tmp_path / f"plan.{form}"
    file.write_text(resolved.to_toml() if form == "toml" else json.dumps(resolved.to_json()))
    assert type_in(file, "--output", tmp_path / "a.py").exit_code == 0
    assert type_in(place / "rows-1", "--output", tmp_path / "b.py").exit_code == 0
    texts = [(tmp_path / name).read_text().replace(name[0] + ".safetensors", "") for name in ("a.py", "b.py")]
    assert texts[0] == texts[1]
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_what_a_plan_leaves_open_is_measured(place: Path, tmp_path: Path) -> None:
    plan = Plan().but({key: value for key, value in QUICK.items() if key != "training.threads"} | {"data.target": "y"})
    text = script_plan(plan, tmp_path / "a.py", source=place / "rows.csv").script.read_text()
    assert "torch.set_num_threads(" in text


def test_arrays_must_be_given_again(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    folder = tmp_path / "run"
    leadline.train(rows, targets=rows[:, 0] > 0, folder=folder, changes=QUICK | {"training.epochs": 1})
    with pytest.raises(ArgumentError, match="Give the same arrays again"):
        script_run(folder, tmp_path / "a.py")
    with pytest.raises(DataError, match="have changed since"):
        script_run(folder, tmp_path / "a.py", source=rows, targets=rows[:, 1] > 0)
    assert not (tmp_path / "a.py").exists()
    assert script_run(folder, tmp_path / "a.py", source=rows, targets=rows[:, 0] > 0).note == ""


def test_mistakes_are_one_paragraph(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for words, error, part in (
        ((place / "rows-1", "--output", tmp_path / "a.txt"), ArgumentError, "ends in .py"),
        ((tmp_path / "nothing",), SourceNotFoundError, "There is no folder"),
        ((tmp_path / "plan.toml",), SourceNotFoundError, "There is no plan"),
    ):
        said = type_in(*words)
        assert isinstance(said.exception, error)
        assert part in str(said.exception)
    with pytest.raises(PlanError, match="names no data"):
        script_plan(Plan(), tmp_path / "a.py")
    with pytest.raises(PlanError, match="4 networks"):
        script_plan(Plan().but({"start.restarts": 4}), tmp_path / "a.py", source=place / "rows.csv")
    (tmp_path / "a.py").write_text("mine")
    with pytest.raises(RunExistsError):
        script_run(place / "rows-1", tmp_path / "a.py")
    assert (tmp_path / "a.py").read_text() == "mine"


def test_of_many_networks_the_best_is_written(place: Path, tmp_path: Path) -> None:
    changes = QUICK | {"data.target": "y", "start.restarts": 2, "start.together": "one by one"}
    done = leadline.train(place / "rows.csv", folder=tmp_path / "run", changes=changes)
    script = script_run(done.folder, tmp_path / "best.py").script
    winner = done.results["restarts"]["winner"]
    assert f"SEED = {winner}\n" in script.read_text()
    ours, its = load_file(done.folder / "model.safetensors"), run(script)
    assert all(torch.equal(ours[name], its[name]) for name in ours)


def test_a_run_of_recorded_steps_says_how_close_its_script_is(place: Path, tmp_path: Path) -> None:
    changes = QUICK | {"data.target": "y", "training.step": "recorded"}
    done = leadline.train(place / "rows.csv", folder=tmp_path / "run", changes=changes)
    said = type_in(done.folder, "--output", tmp_path / "a.py")
    assert "may differ in the last bits" in " ".join(said.stderr.split())
    ours, its = load_file(done.folder / "model.safetensors"), run(tmp_path / "a.py")
    for name in ours:
        torch.testing.assert_close(its[name], ours[name], rtol=1e-4, atol=1e-5)


def test_what_a_file_leaves_out_is_proposed_as_for_a_training(place: Path, tmp_path: Path) -> None:
    source = (place / "rows.csv").as_posix()
    text = (
        f'[data]\nsource = "{source}"\ntarget = "y"\n\n'
        '[training]\noptimizer = "sgd"\nepochs = 2\nthreads = 1\nlayout = "contiguous"\nstep = "plain"\naccumulate = 1\n'
    )
    (tmp_path / "part.toml").write_text(text)
    trained = leadline.train(source, Plan.from_toml(text), folder=tmp_path / "run")
    with_set = {"data.target": "y", "training.optimizer": "sgd", "training.epochs": 2}
    proposed = leadline.plan.propose(leadline.data.load(source, target="y"), with_set)
    assert trained.plan.model == proposed.model
    assert trained.plan.training.learning_rate == proposed.training.learning_rate
    assert type_in(tmp_path / "part.toml", "--output", tmp_path / "a.py").exit_code == 0
    assert type_in(tmp_path / "run", "--output", tmp_path / "b.py").exit_code == 0
    scripts = [(tmp_path / name).read_text().replace(name[0] + ".safetensors", "") for name in ("a.py", "b.py")]
    assert scripts[0] == scripts[1]


@pytest.mark.parametrize("key", ["step", "accumulate"])
def test_whatever_a_training_would_measure_is_measured(
    key: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class MeasuredError(Exception):
        pass

    def measured(plan: Plan, dataset: object) -> None:
        raise MeasuredError

    monkeypatch.setattr("leadline.runs.scripting.measure", measured)
    given = {"layout": "contiguous", "precision": "float32", "accumulate": 1}
    settled = Plan().but({**QUICK, "data.target": "y", **{f"training.{name}": value for name, value in given.items()}})
    script_plan(settled, tmp_path / "a.py", source=place / "rows.csv")
    with pytest.raises(MeasuredError):
        script_plan(settled.but({f"training.{key}": {"step": "auto", "accumulate": 0}[key]}), source=place / "rows.csv")
