"""What a script is made of: code of ours without what only checks, laid out anew, and networks written as expressions."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file
from torch import nn

from leadline import losses, optim
from leadline.errors import PlanError
from leadline.losses import LOSSES
from leadline.models import MODELS, mlp
from leadline.plan.script.array_file import write_arrays
from leadline.plan.script.extracting import Extract
from leadline.plan.script.layout import broken, literal, parts, statement
from leadline.plan.script.network_calls import Unwritable, Writing, same_network, watched

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(PLAIN)
def test_a_plain_value_comes_back_from_its_text(value: Any) -> None:
    back = eval(literal(value))
    assert back == value
    assert type(back) is type(value)


def test_a_value_that_is_not_plain_has_no_text() -> None:
    with pytest.raises(TypeError, match="no plain value"):
        literal(torch.zeros(2))


@given(st.lists(st.sampled_from(["1", "f(2, 3)", '"a, b"', "[4, 5]", "x=(6,)", '"\\"("']), min_size=1))
def test_items_come_apart_at_the_outer_commas(items: list[str]) -> None:
    assert parts(", ".join(items)) == items


@given(
    st.lists(
        st.sampled_from(["nn.Linear(10, 20, bias=False)", '"word"', "12345", "g(h(1, 2), [3, 4])"]), min_size=1, max_size=40
    )
)
def test_a_broken_line_says_the_same_and_fits(items: list[str]) -> None:
    line = f"x = f({', '.join(items)})"
    lines = broken(line, 60)
    assert all(len(each) <= 60 for each in lines)
    kept = {"x": None, "nn": nn, "g": lambda *a: a, "h": lambda *a: a, "f": lambda *a: repr(a)}
    one, other = dict(kept), dict(kept)
    exec(line, one)
    exec("\n".join(lines), other)
    assert one["x"] == other["x"]


def test_a_statement_that_fits_again_stands_on_one_line() -> None:
    assert statement("y = f(\n    a, b\n)") == ["y = f(a, b)"]
    assert statement("y = [\n    a,\n    b,\n]") == ["y = [", "    a,", "    b,", "]"], "a comma at the end keeps them apart"


def run(extract: Extract) -> dict[str, Any]:
    """The names that the extracted code defines."""
    names: dict[str, Any] = {}
    lines = [*extract.imports(), *("\n".join(each) for each in extract.definitions())]
    exec("\n\n".join(lines), names)
    return names


TARGETS = {
    "classes": (torch.randn(9, 4, generator=torch.Generator().manual_seed(0)), torch.arange(9) % 4),
    "labels": (
        torch.randn(9, 4, generator=torch.Generator().manual_seed(0)),
        (torch.arange(36).reshape(9, 4) % 3 == 0).float(),
    ),
    "number": (torch.randn(9, 2, generator=torch.Generator().manual_seed(0)), torch.arange(18.0).reshape(9, 2) / 5),
    "pairs": (
        torch.randn(9, 3, 2, 2, generator=torch.Generator().manual_seed(0)),
        torch.arange(108.0).reshape(9, 3, 2, 2) / 50,
    ),
    "forecast": (torch.randn(9, 4, 2, generator=torch.Generator().manual_seed(0)), torch.arange(72.0).reshape(9, 4, 2) / 40),
}


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_loss_keeps_its_values_and_loses_its_checks(name: str) -> None:
    function = LOSSES[name].function
    for task in LOSSES[name].tasks:
        outputs, targets = TARGETS[task]
        extract = Extract(set(), reserved=set())
        called = extract.use(function, constants={"reduction": "mean"}, facts={"outputs.dtype": torch.float32})
        text = "\n".join(line for lines in extract.definitions() for line in lines)
        assert "raise" not in text
        assert "Error" not in text
        header = next(line for line in text.splitlines() if line.startswith(f"def {called}("))
        assert "reduction" not in header, "what is known is written in"
        assert torch.equal(run(extract)[called](outputs, targets), function(outputs, targets))


@pytest.mark.parametrize(
    "text", ["one_cycle(0.4, start=0.1)", "cosine(0.1)", "step_drops([0.2, 0.6], factor=0.3)", "warm_up(0.3)"]
)
def test_what_a_factory_has_made_is_written_with_what_it_remembers(text: str) -> None:
    made = optim.make_schedule(text)
    extract = Extract(set(), reserved=set())
    called = extract.use_made(made.function, "schedule")
    function = run(extract)[called]
    for place in range(101):
        assert function(place / 100) == made(place / 100)


def test_a_table_keeps_only_the_rows_that_may_be_asked_for() -> None:
    gated = importlib.import_module("leadline.layers.gated")
    extract = Extract({"leaky_relu(0.3)"}, reserved=set())
    extract.use(gated.Gated)
    text = "\n".join(line for lines in extract.definitions() for line in lines)
    assert '{"leaky_relu(0.3)": lambda: nn.LeakyReLU(0.3), "silu": nn.SiLU}' in text
    layer = run(extract)["Gated"]("leaky_relu(0.3)")
    assert layer.activation.negative_slope == 0.3


def test_names_that_are_taken_are_left_to_their_owners() -> None:
    models, functions = MODELS["perceptron"], losses.perceptron
    extract = Extract(set(), reserved={"linear"})
    one, other = extract.use(models), extract.use(functions, constants={"reduction": "mean"})
    assert one != other
    assert "linear" not in run(extract)


def a_module(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of ours with this text, for as long as a test takes."""
    path = tmp_path / "made_up.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("leadline.made_up", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "leadline.made_up", module)
    spec.loader.exec_module(module)
    return module


MADE_UP = '''
from __future__ import annotations
import math as m
from collections.abc import Sequence
from leadline.errors import ArgumentError, unknown
LEFT, RIGHT = 2, 3  # two at once
def check(x: float) -> None:
    if x < 0:
        raise ArgumentError("x")
def same(x: float, way: str) -> float:
    """The same."""
    check(x)
    if way not in ("up", "down"):
        unknown("way", way, ("up", "down"))
    return x
def area(radius: float, *, way: str = "up", scale: float = 1.0) -> float:
    """The area.

    More of it.
    """
    names: list[str] = ["only", "for the error"]
    try:
        checked = same(radius, way)
    except ValueError as error:
        raise ArgumentError(f"{names}") from error
    # A comment that goes with what it is on.
    if way == "down":
        return -checked
    elif scale > 1:
        check(scale)
    # A comment that stays.
    return m.pi * checked**LEFT * scale  # type: ignore[no-any-return]
'''


def test_checks_types_and_settled_branches_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = a_module(MADE_UP, tmp_path, monkeypatch)
    extract = Extract(set(), reserved=set())
    assert extract.use(module.area, constants={"way": "up", "scale": 2.0}) == "area"
    assert extract.imports() == ["import math as m"]
    assert extract.definitions() == [
        ["LEFT = 2"],
        [
            "def area(radius):",
            '    """The area."""',
            "    checked = radius",
            "    # A comment that stays.",
            "    return m.pi * checked**LEFT * 2.0",
        ],
    ]
    assert run(extract)["area"](3.0) == module.area(3.0, scale=2.0) == 2 * math.pi * 9


def test_a_branch_that_is_open_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = a_module(MADE_UP, tmp_path, monkeypatch)
    extract = Extract(set(), reserved=set())
    extract.use(module.area)
    area = run(extract)["area"]
    assert [area(2.0, way=way) for way in ("up", "down")] == [module.area(2.0, way=way) for way in ("up", "down")]


def test_layers_are_written_by_the_calls_that_made_them() -> None:
    with watched(mlp) as (layers, builders):
        model = mlp((6,), 3, width=4, depth=1, activation="leaky_relu(0.2)", dropout=0.25)
    text = Writing(Extract(set(), reserved=set()), {}, layers).text(model).replace("\0", "")
    assert text == (
        "nn.Sequential(nn.Flatten(), nn.Linear(6, 4, bias=False), nn.BatchNorm1d(4), nn.LeakyReLU(0.2), nn.Dropout(0.25), "
        "nn.Linear(4, 3))"
    )
    built = Writing(Extract(set(), reserved=set()), {}, {**layers, **builders}).text(model)
    assert built == 'mlp((6,), 3, width=4, depth=1, activation="leaky_relu(0.2)", dropout=0.25)'


def test_what_was_made_out_of_sight_cannot_be_written() -> None:
    with pytest.raises(Unwritable, match="out of sight"):
        Writing(Extract(set(), reserved=set()), {}).text(nn.Linear(2, 2))


def test_many_numbers_go_beside_the_script() -> None:
    arrays: dict[str, Any] = {}
    writing = Writing(Extract(set(), reserved=set()), arrays)
    edges = [[0.1 * step for step in range(19)], [], [1.0, 2.5]]
    name = writing.text(edges, "edges")
    values: dict[str, Any] = {"data": {key: torch.from_numpy(array) for key, array in arrays.items()}}
    exec("\n".join(writing.before), values)
    assert values[name] == edges


def test_networks_that_differ_are_told_apart() -> None:
    torch.manual_seed(0)
    one, inputs = nn.Sequential(nn.Linear(3, 3), nn.LeakyReLU(0.1), nn.Dropout(0.5)), torch.randn(4, 3)

    def other(slope: float, dropout: float, shift: float = 0.0) -> nn.Module:
        network = nn.Sequential(nn.Linear(3, 3), nn.LeakyReLU(slope), nn.Dropout(dropout))
        network.load_state_dict({name: value + shift for name, value in one.state_dict().items()})
        return network

    assert same_network(one, other(0.1, 0.5), inputs)
    assert not same_network(one, other(0.2, 0.5), inputs), "another slope"
    assert not same_network(one, other(0.1, 0.4), inputs), "another share of dropout, which only training shows"
    assert not same_network(one, other(0.1, 0.5, 1e-3), inputs), "other weights"
    assert not same_network(one, nn.Sequential(*other(0.1, 0.5), nn.Identity()), inputs), "another layer"


@given(st.lists(st.sampled_from(["float64", "float32", "int64", "int32", "uint8", "bool"]), max_size=4), st.integers(0, 5))
def test_arrays_come_back_from_their_file(kinds: list[str], rows: int) -> None:
    import tempfile

    arrays = {f"a{at}": np.arange(rows * 3).reshape(rows, 3).astype(kind) for at, kind in enumerate(kinds)}
    with tempfile.TemporaryDirectory() as folder:
        write_arrays(path := Path(folder) / "arrays.safetensors", arrays)
        back = load_file(path)
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert np.array_equal(back[name], array)


def test_an_array_of_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="array words cannot be stored"):
        write_arrays(tmp_path / "a.safetensors", {"words": np.array(["a"])})
    assert list(tmp_path.iterdir()) == []
