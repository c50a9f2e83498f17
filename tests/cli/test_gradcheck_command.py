"""`leadline gradcheck`: the exit status says whether the gradients are right."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

TypeIn = Callable[..., tuple[int, str, str]]

NETS = """
import torch
from torch import nn

class Good(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))

class Cut(Good):
    def forward(self, x):
        return super().forward(x.detach()).detach() + super().forward(x)

class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(5, 3), nn.Linear(3, 2)
    def forward(self, words):
        return self.head(self.embed(words).mean(1))

def case():
    return nn.Linear(3, 2), torch.ones(2, 3), lambda output: output.square().sum()

def several():
    return nn.Bilinear(3, 2, 2), (torch.ones(2, 3), torch.ones(2, 2)), None

def pair():
    return nn.Linear(3, 2), torch.ones(2, 3)

class Seeing(nn.Sequential):
    def __init__(self, channels=3):
        super().__init__(nn.Conv2d(channels, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))

def gray():
    return Seeing(1)

def hearing():
    return nn.Sequential(nn.Conv1d(2, 3, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten())

lazy = nn.LazyLinear(2)

def leaving():
    raise SystemExit(3)
"""


@pytest.fixture(autouse=True)
def nets(workplace: Path) -> None:
    (workplace / "nets.py").write_text(NETS, encoding="utf-8")


def test_right_gradients_are_0(type_in: TypeIn) -> None:
    status, out, err = type_in("gradcheck", "nets.py:Good", "--input", "3")
    assert (status, err) == (0, "")
    assert "checking the gradients of nets.py:Good" in out.splitlines()[0]
    assert out.splitlines()[-1].startswith(f"ok: {3 * 4 + 4 + 8 + 8 + 2 + 12} compared")


def test_wrong_gradients_are_1(type_in: TypeIn) -> None:
    status, out, err = type_in("gradcheck", "nets.py:Cut", "--input", "3")
    assert (status, err) == (1, "")
    assert "WRONG" in out
    assert "0.weight[" in out


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "huber(delta=0.5)"])
def test_a_loss_by_its_name(loss: str, type_in: TypeIn) -> None:
    status, out, _ = type_in("gradcheck", "nets.py:Good", "--input", "3", "--loss", loss, "--batch", "6", "--json")
    assert status == 0
    record = json.loads(out)
    assert record["ok"]
    assert [each["name"] for each in record["tensors"]][-1] == "input"
    assert record["tensors"][-1]["shape"] == [6, 3]


def test_whole_numbers_in_and_entries_sampled(type_in: TypeIn) -> None:
    status, out, _ = type_in("gradcheck", "nets.py:Words", "--input", "6:int64", "--entries", "4", "--json")
    assert status == 0
    assert {each["name"]: each["checked"] for each in json.loads(out)["tensors"]} == {
        "embed.weight": 4, "head.weight": 4, "head.bias": 2,
    }  # fmt: skip


@pytest.mark.parametrize(("name", "shape"), [("Seeing", [2, 3, 6, 6]), ("gray", [2, 1, 6, 6])])
def test_one_number_is_the_side_of_a_picture(name: str, shape: list[int], type_in: TypeIn) -> None:
    status, out, _ = type_in("gradcheck", f"nets.py:{name}", "--input", "6", "--batch", "2", "--json")
    assert (status, json.loads(out)["tensors"][-1]["shape"]) == (0, shape)


@pytest.mark.parametrize(("name", "checked"), [("case", 6 + 2 + 6), ("several", 12 + 2 + 6 + 4)])
def test_a_function_that_brings_everything(name: str, checked: int, type_in: TypeIn) -> None:
    status, out, _ = type_in("gradcheck", f"nets.py:{name}", "--json")
    assert status == 0
    assert json.loads(out)["checked"] == checked


def test_the_weights_are_those_of_the_seed(type_in: TypeIn) -> None:
    outs = [type_in("gradcheck", "nets.py:Good", "--input", "3", "--json", "--seed", seed)[1] for seed in (1, 1, 2)]
    assert outs[0] == outs[1] != outs[2]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nets.py:Good"], "is not known. Say it with --input"),
        (["nets.py:case", "--input", "3"], "brings its own inputs"),
        (["nets.py:pair"], "Expected a module, or a function that returns (module, inputs, loss); got tuple."),
        (["resnet18", "--input", "3x32x32"], "There is nothing to import"),
        (["nets.py:Good", "--input", "3", "--loss", "crossentropy"], "Did you mean 'cross_entropy'?"),
        (["nets.py:Seeing", "--input", "6x6"], "channels, height and width. Expected a shape such as 3x32x32; got '6x6'."),
        (["nets.py:Seeing", "--input", "6xa"], "The input has no shape"),
        (["nets.py:hearing", "--input", "9"], "2 sizes: channels and steps. Expected a shape such as 2x9; got '9'."),
        (["nets.py:Good", "--input", "4"], "cannot take inputs of shape [4, 4] in float64"),
        (["nets.py:Goood", "--input", "3"], "Did you mean 'Good'?"),
        (["nets.py:lazy", "--input", "3"], "has layers without shapes yet"),
        (["nets.py:leaving"], "nets.py:leaving fails when it is called. Got SystemExit: 3"),
        (["nets.py:Good", "--input", "3", "--seed", "99999999999999999999"], "99999999999999999999 is not in the range"),
        (["nets.py:Good", "--input", "3", "--batch", "99999999999999"], "The inputs do not fit into memory"),
    ],
)
def test_a_mistake_is_2_and_one_paragraph(words: list[str], says: str, type_in: TypeIn) -> None:
    status, _, err = type_in("gradcheck", *words)
    assert status == 2
    assert says in " ".join(err.split())
