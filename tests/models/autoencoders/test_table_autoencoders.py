"""Autoencoders for tables: each column told in its own way, missing cells, and which column of a row is odd."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Normal

from leadline.data.tables.table import Table
from leadline.errors import ArgumentError
from leadline.explain.gradient_checks import gradient_check
from leadline.metrics.anomalies import tail_probabilities
from leadline.models.autoencoders.autoencoders import autoencoder
from leadline.models.autoencoders.odd_columns import column_gains
from leadline.models.autoencoders.reconstruction_objectives import Reconstruct
from leadline.models.autoencoders.reconstruction_steps import ReconstructionStep
from leadline.models.autoencoders.table_autoencoders import MixedOutputs, missing_indicators, table_autoencoder
from leadline.models.autoencoders.variational_autoencoders import generated
from leadline.models.autoencoders.variational_bounds import VariationalBound
from leadline.models.told_rows import row_oddness

EDGES = [(-1.0, -0.2, 0.4, 1.0), (), (-2.0, 2.0)]
CATEGORIES = (4, 2)


def rows(count: int = 6, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    codes = [torch.randint(size, (count, 1), generator=draw).float() for size in CATEGORIES]
    return torch.cat([torch.randn(count, 3, generator=draw), *codes], dim=1)


@pytest.mark.parametrize("variational", [False, True])
@pytest.mark.parametrize("embedding", ["piecewise_linear", "periodic", "none"])
def test_shapes_and_gradients_that_reach_everything(variational: bool, embedding: str) -> None:
    torch.manual_seed(0)
    model = table_autoencoder(EDGES, CATEGORIES, hidden="16-8", code=2, embedding=embedding, variational=variational)
    x = rows(40)
    assert model.encode(x).shape == (40, 2)
    assert model(x).shape == (40, 3 + 4 + 2)
    assert model.errors(x).shape == (40, 5)
    assert model.reconstruct(x).shape == (40, 5)
    objective: Any = VariationalBound() if variational else Reconstruct()
    objective(model, x, objective.draws(model, x, 0), 1.0)[0].backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())
    assert torch.equal(model.features(x), model.encode(x))


def test_each_column_is_told_in_its_own_way() -> None:
    outputs, x = torch.randn(6, 9, generator=torch.Generator().manual_seed(1)), rows()
    told = MixedOutputs(3, CATEGORIES)
    with torch.no_grad():
        assert told.spread is not None
        told.spread.bias.copy_(torch.tensor([0.5, 1.0, 2.0]))
        deviation = told.spread().exp()
    numbers = -Normal(outputs[:, :3], deviation).log_prob(x[:, :3])
    codes = [
        -Categorical(logits=part).log_prob(x[:, 3 + at].long()) for at, part in enumerate((outputs[:, 3:7], outputs[:, 7:]))
    ]
    torch.testing.assert_close(told.nll(outputs, x), numbers.sum(1) + codes[0] + codes[1])
    expected = torch.cat([(outputs[:, :3] - x[:, :3]) ** 2, torch.stack(codes, 1)], dim=1)
    torch.testing.assert_close(told.errors(outputs, x), expected)
    again = told.reconstruction(outputs)
    assert torch.equal(again[:, :3], outputs[:, :3])
    assert again[:, 3].tolist() == outputs[:, 3:7].argmax(1).tolist()


def test_a_missing_cell_has_no_value_to_be_told() -> None:
    told = MixedOutputs(3, (), indicators=(1, -1, -1))
    x = torch.tensor([[5.0, 1.0, 2.0], [5.0, 0.0, 2.0]])
    outputs = torch.zeros(2, 3)
    assert told.errors(outputs, x).tolist() == [[0.0, 1.0, 4.0], [25.0, 0.0, 4.0]]
    free = MixedOutputs(3, ())
    assert (free.nll(outputs, x) - told.nll(outputs, x)).tolist() == pytest.approx(
        [12.5 + 0.5 * math.log(2 * math.pi), 0.0], abs=1e-5
    )


def test_unknown_codes_count_as_0() -> None:
    told, outputs = MixedOutputs(0, (3,)), torch.tensor([[0.3, -1.0, 2.0]])
    strange = [told.errors(outputs, torch.tensor([[code]])).item() for code in (0.0, 7.0, -1.0, math.nan)]
    assert strange == [strange[0]] * 4
    assert told.made_up(torch.tensor([[0.0, 0.0, 99.0]]), torch.Generator()).tolist() == [[2.0]]


def test_the_gradients_are_right() -> None:
    x = rows(3).double()
    told = MixedOutputs(3, CATEGORIES, indicators=(1, -1, -1)).double()
    check = gradient_check(nn.Linear(9, 9), torch.randn(3, 9), lambda outputs: told.nll(outputs, x).sum())
    assert check.ok, str(check)


def table() -> tuple[Table, np.ndarray]:
    """Ages and incomes that go together by city, with missing ages; a date."""
    import polars as pl

    draw = np.random.default_rng(0)
    city = draw.integers(0, 3, 900)
    age = 20 + 20 * city + draw.normal(0, 1, 900)
    frame = pl.DataFrame(
        {
            "age": [None if at % 9 == 0 else float(value) for at, value in enumerate(age)],
            "income": age * 100 + draw.normal(0, 30, 900),
            "city": [("Bonn", "Kiel", "Ulm")[at] for at in city],
        }
    )
    return Table.learn(frame, np.arange(900))


def test_indicators_and_columns_of_a_real_table() -> None:
    learned, encoded = table()
    assert learned.blocks == {"age": (0, 1), "income": (2,), "city": (3,)}
    assert missing_indicators(learned) == (1, -1, -1)
    assert set(encoded[:, 1].tolist()) == {0.0, 1.0}


def test_it_tells_which_column_is_odd_and_what_it_should_hold() -> None:
    learned, encoded = table()
    x = torch.from_numpy(encoded)
    torch.manual_seed(0)
    model = table_autoencoder(learned.edges, learned.categories, indicators=missing_indicators(learned), hidden="32", code=2)
    step = ReconstructionStep(model, Reconstruct(corruption="swap(0.2)"), torch.optim.Adam(model.parameters(), lr=0.01))
    train, valid = x[:600], x[600:]
    for number in range(400):
        first = number * 100 % 600
        logs = step(train[first : first + 100], SimpleNamespace(step=number, fraction=0.0))
    assert logs["loss"] < 3
    model.eval()
    names = list(learned.blocks)
    whole = valid[valid[:, 1] == 0]
    young, old = whole[whole[:, 0].argmin(), 3], whole[whole[:, 0].argmax(), 3]
    reference = column_gains(model, [whole], learned.blocks).gains
    rows_of_young = whole[whole[:, 3] == young][:20]
    # The age and the income of one city with the name of another: it is the city that does not fit.
    moved = rows_of_young.clone()
    moved[:, 3] = old
    found = column_gains(model, [moved], learned.blocks)
    assert [names[at] for at in found.gains.argmax(1).tolist()] == ["city"] * 20
    assert (found.values[:, 3] == young).all()
    assert (tail_probabilities(found.gains, reference)[:, 2] < 0.02).all()
    # The income of another city beside the right age: now it is the income.
    paid = rows_of_young.clone()
    paid[:, 2] = whole[whole[:, 3] == old, 2].mean()
    found = column_gains(model, [paid], learned.blocks)
    assert [names[at] for at in found.gains.argmax(1).tolist()] == ["income"] * 20
    assert (found.values[:, 2] - rows_of_young[:, 2]).abs().max() < 0.6
    for odd in (moved, paid):
        with torch.no_grad():
            assert row_oddness(model, odd).min() > row_oddness(model, whole).quantile(0.95)
            assert model.errors(odd).sum(1).min() > model.errors(whole).sum(1).median()  # type: ignore[operator]


def test_rows_can_be_generated() -> None:
    model = table_autoencoder(EDGES, CATEGORIES, hidden="8", code=2, variational=True).eval()
    made = generated(model, 300)  # type: ignore[arg-type]
    assert made.shape == (300, 5)
    assert set(made[:, 3].unique().tolist()) <= {0.0, 1.0, 2.0, 3.0}
    assert len(made[:, 3].unique()) > 1


def test_cells_that_are_made_up_have_the_distribution() -> None:
    told = MixedOutputs(1, (3,))
    with torch.no_grad():
        assert told.spread is not None
        deviation = float(told.spread().exp())
        outputs = torch.tensor([[2.0, 0.0, 1.0, -1.0]]).repeat(20_000, 1)
        made = told.made_up(outputs, torch.Generator().manual_seed(0))
        assert torch.equal(made, told.made_up(outputs, torch.Generator().manual_seed(0)))
    assert made[:, 0].mean().item() == pytest.approx(2, abs=0.03)
    assert made[:, 0].std().item() == pytest.approx(deviation, rel=0.03)
    torch.testing.assert_close(made[:, 1].long().bincount() / 20_000, outputs[0, 1:].softmax(0), atol=0.015, rtol=0)


@pytest.mark.parametrize(("edges", "categories"), [([(0.0, 1.0, 2.0)], ()), ([()], ()), ([], (3,))])
def test_tables_of_one_kind_of_column(edges: list[tuple[float, ...]], categories: tuple[int, ...]) -> None:
    model = table_autoencoder(edges, categories, hidden="8", code=1)
    x = torch.ones(4, 1)
    assert model.distribution.nll(model(x), x).shape == (4,)
    assert model.errors(x).shape == (4, 1)


def test_careless_arguments() -> None:
    with pytest.raises(ArgumentError, match="no columns to learn from"):
        table_autoencoder([], ())
    with pytest.raises(ArgumentError, match="no columns to learn from"):
        MixedOutputs(0, ())
    with pytest.raises(ArgumentError, match="indicators of missing cells do not fit"):
        MixedOutputs(2, (), indicators=(1,))
    with pytest.raises(ArgumentError, match="indicators of missing cells do not fit"):
        MixedOutputs(2, (), indicators=(1, 2))
    with pytest.raises(ArgumentError, match="The outputs do not fit the rows"):
        MixedOutputs(2, ()).nll(torch.zeros(3, 1), torch.zeros(3, 2))
    with pytest.raises(ArgumentError, match="knows no columns"):
        column_gains(autoencoder((3,), hidden="none", code=1), [torch.zeros(1, 3)], {"a": (0,)})
    model = table_autoencoder(EDGES, CATEGORIES, hidden="8", code=1)
    with pytest.raises(ArgumentError, match="The columns are not those of this network. Expected places from 0 to 4"):
        column_gains(model, [rows()], {"a": (5,)})
    with pytest.raises(ArgumentError, match="no rows to look at"):
        column_gains(model, [], {"a": (0,)})
    with pytest.raises(ArgumentError, match="Did you mean 'periodic'"):
        table_autoencoder(EDGES, CATEGORIES, embedding="periodc")


def test_made_up_rows_have_rarer_categories_and_stray_as_the_network_says() -> None:
    """Where codes tell nothing, rows are those of the outputs' own distribution, and not its likeliest one again and again."""
    torch.manual_seed(0)
    model: Any = table_autoencoder([()], (2,), hidden="8", code=2, variational=True).eval()
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.zero_()
        list(model.decoder.parameters())[-1].copy_(torch.tensor([3.0, math.log(0.7), math.log(0.3)]))
    made = model.generate(4000, seed=1)
    assert float((made[:, 1] == 1).float().mean()) == pytest.approx(0.3, abs=0.03)
    assert float(made[:, 0].mean()) == pytest.approx(3, abs=0.06)
    assert float(made[:, 0].std()) == pytest.approx(float(model.distribution.spread().detach().exp()), rel=0.05)
    assert torch.equal(made, model.generate(4000, seed=1))
    assert not torch.equal(made, model.generate(4000, seed=2))
