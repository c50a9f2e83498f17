"""`leadline show summary`, and how networks are named on the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import leadline

TypeIn = Callable[..., tuple[int, str, str]]

NETS = """
import torch
from torch import nn
from beside import WIDTH

class Net(nn.Sequential):
    def __init__(self, width=WIDTH):
        super().__init__(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 2))

class Needy(nn.Linear):
    pass

class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(9, 3)
    def forward(self, words, scale):
        return self.embed(words) * scale

def build():
    return Net(8)

def broken():
    raise RuntimeError("no weights today")

ready = Net(5)
number = 3
"""


@pytest.fixture
def nets(workplace: Path) -> Path:
    (workplace / "nets.py").write_text(NETS, encoding="utf-8")
    (workplace / "beside.py").write_text("WIDTH = 4\n", encoding="utf-8")
    yield workplace
    sys.modules.pop("beside", None)


def test_a_class_a_function_and_a_module_of_a_file(nets: Path, type_in: TypeIn) -> None:
    for name, width in (("Net", 4), ("build", 8), ("ready", 5)):
        status, out, err = type_in("show", "summary", f"nets.py:{name}", "--input", "6")
        assert (status, err) == (0, "")
        assert out.splitlines()[0] == "Net, input 6"
        assert f"{(6 + 1) * width + (width + 1) * 2:,}" in out.splitlines()[-2]


def test_several_inputs_of_their_own_kinds(nets: Path, type_in: TypeIn) -> None:
    status, out, _ = type_in("show", "summary", nets / "nets.py:Words", "--input", "7:int64", "--input", "7x3")
    assert status == 0
    assert out.splitlines()[0] == "Words, input 7 and 7×3"
    assert "7×3" in out.splitlines()[2]


def test_a_builder_by_its_name_with_arguments(type_in: TypeIn) -> None:
    status, out, _ = type_in("show", "summary", "mlp(width=16, depth=1, batch_norm=False)", "--input", "64", "--outputs", "3")
    assert status == 0
    assert f"{65 * 16 + 17 * 3:,}" in out.splitlines()[-2]
    status, out, _ = type_in("show", "summary", "resnet18", "--input", "1x28x28", "--json")
    record = json.loads(out)
    assert (status, record["input_shapes"], record["rows"][-1]["output_shape"]) == (0, [[1, 28, 28]], [1000])
    for word in ("resnet18", "resnet20(width=4)", "vgg11(hidden=8)"):
        short, full = (type_in("show", "summary", word, "--input", size) for size in ("64", "3x64x64"))
        assert short == full
        assert (short[0], short[1].splitlines()[0].endswith("input 3×64×64")) == (0, True)
    for size, such_as in (("224x200", "3x224x200"), ("1x3x224x224", "3x224x224")):
        status, out, err = type_in("show", "summary", "resnet18", "--input", size)
        assert (status, out) == (2, "")
        assert f"resnet18 takes pictures. Expected their channels, height and width, such as {such_as}" in " ".join(err.split())
    status, _, err = type_in("show", "summary", "resnet18", "--input", "0")
    assert (status, "The input has no shape" in err) == (2, True)
    assert "input 64\n" in type_in("show", "summary", "mlp", "--input", "64")[1], "what takes rows of numbers is given them"
    status, _, err = type_in("show", "summary", "alexnet")
    assert (status, "--input 3x224x224" in err) == (2, True)
    status, _, err = type_in("show", "summary", "resnet50", "--input", "224x224x3")
    assert (status, "Channels come first. Expected 3x224x224" in err) == (2, True)
    assert type_in("show", "summary", "tabular(depth=1)", "--input", "5")[0] == 0


def test_a_plan_row_by_row(workplace: Path, type_in: TypeIn) -> None:
    rows = [f"{{conv = {filters}, kernel = 2, activation = 'relu'}}, {{pool = 2}}" for filters in (16, 32, 64)]
    rows += ["{dropout = 0.3}, {dense = 500, activation = 'relu'}, {dense = 10, activation = 'softmax'}"]
    Path("net.toml").write_text(f"[model]\nname = 'layers'\nrows = [{', '.join(rows)}]\n", encoding="utf-8")
    status, out, err = type_in("show", "summary", "net.toml", "--input", "3x32x32", "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert [row["parameters"] for row in found["rows"] if row["parameters"]] == [208, 2080, 8256, 512500, 5010]
    assert found["parameters"] == 528054
    Path("other.toml").write_text("[training]\nepochs = 3\n", encoding="utf-8")
    for words, says in (
        (["net.toml", "--input", "3x4x4"], "Row 6, {pool = 2}, cannot be used where [64, 1, 1] arrives"),
        (["net.toml"], "What net.toml takes in is not known"),
        (["other.toml", "--input", "3x4x4"], "The plan other.toml names no network. Expected model.name"),
    ):
        status, _, err = type_in("show", "summary", *words)
        assert (status, says in " ".join(err.split())) == (2, True), err


def test_formulas_json_and_a_page(nets: Path, type_in: TypeIn) -> None:
    _, out, _ = type_in("show", "summary", "nets.py:Net", "--input", "6", "--formulas")
    assert "    parameters: K·D + K = 4·6 + 4 = 28" in out.splitlines()
    _, out, _ = type_in("show", "summary", "nets.py:Net", "--input", "6", "--json")
    assert json.loads(out)["parameters"] == 38
    status, out, err = type_in("show", "summary", "nets.py:Net", "--input", "6", "--html", "net.html")
    assert (status, out, err) == (0, "net.html\n", "")
    assert "K·D + K = 4·6 + 4 = 28" in Path("net.html").read_text(encoding="utf-8")
    status, _, err = type_in("show", "summary", "nets.py:Net", "--input", "6", "--html", "net.html")
    assert status == 2
    assert "net.html exists already" in err


def test_what_draws_pictures_is_called_with_noise(type_in: TypeIn) -> None:
    status, out, _ = type_in("show", "summary", "dcgan(width=2, latent=4)", "--input", "1x8x8", "--json")
    record = json.loads(out)
    assert (status, record["input_shapes"], record["rows"][-1]["output_shape"]) == (0, [[4]], [1, 8, 8])
    status, _, err = type_in("show", "summary", "dcgan", "--input", "3x30x30")
    assert (status, "Pictures of 30 × 30 pixels cannot be made by dcgan" in " ".join(err.split())) == (2, True)


def test_the_network_of_a_run_whose_input_is_known(workplace: Path, type_in: TypeIn) -> None:
    changes = {"training.epochs": 1, "model": "linear", "training.threads": 1}
    run = leadline.train("digits", folder=workplace / "runs" / "one", changes=changes)
    for word in (run.folder, "last"):
        status, out, err = type_in("show", "summary", word)
        assert (status, err) == (0, "")
        assert out.splitlines()[0] == "Sequential, input 1×8×8"
        assert "650" in out.splitlines()[-2]
    status, _, err = type_in("show", "summary", run.folder, "--input", "3x8x8")
    assert status == 2
    assert "Expected 1x8x8; got 3x8x8" in " ".join(err.split())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nets.py:Net"], "is not known. Say it with --input"),
        (["nets.py:Net", "--input", "5"], "cannot take an input of shape [1, 5]. Got at 0 (Linear)"),
        (["nets.py:Net", "--input", "3xx4"], "The input has no shape"),
        (["nets.py:Net", "--input", "3x-4"], "The input has no shape"),
        (["nets.py:Net", "--input", "6:int46"], "Did you mean 'int64'?"),
        (["nets.py:Net", "--input", "99999999999x99999999999"], "The input is too large"),
        (["mlp(activation=3)", "--input", "6"], "'activation' of the network 'mlp' has the wrong kind of value"),
        (["nets.py:Nett", "--input", "6"], "Expected one of Net, Needy, Words, ready. Did you mean 'Net'?"),
        (["nets.py", "--input", "6"], "Its networks are Net, Needy, Words, ready."),
        (["nets.py:Needy", "--input", "6"], "cannot be called without arguments"),
        (["nets.py:broken", "--input", "6"], "fails when it is called. Got RuntimeError: no weights today (line 24)."),
        (["nets.py:number", "--input", "6"], "is no network. Expected a torch.nn.Module, or what makes one; got int."),
        (["gone.py:Net", "--input", "6"], "There is no file gone.py"),
        (["wrong.py:Net", "--input", "6"], "wrong.py is not valid Python. Got line 2:"),
        (["fails.py:Net", "--input", "6"], "fails when it is imported. Got ZeroDivisionError: division by zero (line 1)."),
        (["leaves.py:Net", "--input", "6"], "leaves.py fails when it is imported. Got SystemExit: 3 (line 2)."),
        (["resnet-18", "--input", "3x32x32"], "There is no network 'resnet-18'"),
        (["resnet81", "--input", "3x32x32"], "Did you mean 'resnet18'?"),
        (["mlp(widht=3)", "--input", "6"], "Did you mean 'width'?"),
        (["runs/none", "--input", "6"], "There is no network 'runs/none'"),
        (["last"], "There is no run yet"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_paragraph(words: list[str], says: str, nets: Path, type_in: TypeIn) -> None:
    Path("wrong.py").write_text("import torch\ndef Net(:\n", encoding="utf-8")
    Path("fails.py").write_text("x = 1 / 0\n", encoding="utf-8")
    Path("leaves.py").write_text("import sys\nsys.exit(3)\n", encoding="utf-8")
    status, out, err = type_in("show", "summary", *words)
    assert (status, out) == (2, "")
    assert err.startswith("Error: ")
    assert says in " ".join(err.split())
    assert max(map(len, err.splitlines())) <= 80


def test_the_path_is_left_as_it_was(nets: Path, type_in: TypeIn) -> None:
    before = list(sys.path)
    type_in("show", "summary", "nets.py:Net", "--input", "6")
    assert sys.path == before
