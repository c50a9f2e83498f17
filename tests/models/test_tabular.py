"""Networks for tables: every form of it, members in training and evaluation, and what the rest of Leadline asks of it."""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from leadline import losses
from leadline.errors import ArgumentError
from leadline.initialize import set_prior_bias
from leadline.layers import FastDropout, MemberHeads, mean_of_members
from leadline.models import perceptron, tabular
from leadline.models.tabular_networks import BLOCKS, EMBEDDINGS
from leadline.training.monte_carlo import dropout_active, sample_classes

EDGES = [(-1.0, -0.2, 0.4, 1.0), (), (-2.0, 2.0)]
CATEGORIES = (4, 2)
FORMS = [
    {"embedding": embedding, "block": block, "members": members}
    for embedding, block, members in itertools.product(EMBEDDINGS, BLOCKS, (1, 3))
]


def build(outputs: int = 2, task: str = "classes", **settings: Any) -> nn.Module:
    torch.manual_seed(0)
    return tabular(EDGES, CATEGORIES, outputs, task, **{"width": 16, "members": 3, "embedding_width": 4, **settings})


def rows(count: int = 6, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    numbers = torch.randn(count, 3, generator=draw)
    codes = [torch.randint(size, (count, 1), generator=draw).float() for size in CATEGORIES]
    return torch.cat([numbers, *codes], dim=1)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_form_trains_and_answers(form: dict[str, Any]) -> None:
    network, x = build(**form), rows(40)
    outputs = network(x)
    assert outputs.shape == ((40, 2) if form["members"] == 1 else (40, form["members"], 2))
    losses.per_member(losses.cross_entropy)(outputs, x[:, 4].long()).backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())
    assert network.eval()(x).shape == (40, 2)
    assert network.features(x).shape == (40, 16)  # type: ignore[operator]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_arguments_and_the_weights_are_the_whole_network(form: dict[str, Any]) -> None:
    one = build(**form).eval()
    torch.manual_seed(1)
    other = tabular(EDGES, CATEGORIES, 2, "classes", width=16, embedding_width=4, **form).eval()
    x = rows()
    assert not torch.equal(one(x), other(x))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(x), other(x))
    assert not [name for name, _ in one.named_buffers() if name in one.state_dict()]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_it_exports_with_any_number_of_rows(form: dict[str, Any]) -> None:
    network = build(**form).eval()
    exported = torch.export.export(network, (rows(6),), dynamic_shapes=({0: torch.export.Dim("rows", min=2)},)).module()
    x = rows(11, seed=1)
    assert torch.allclose(exported(x), network(x), atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_it_compiles_in_one_piece(training: bool) -> None:
    network = build(dropout=0.0).train(training)
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    assert torch.allclose(compiled(rows()), network(rows()))


@pytest.mark.parametrize("task", ["classes", "labels", "number"])
def test_members_answer_together_in_evaluation(task: str) -> None:
    network = build(task=task, dropout=0.0)
    each = network(rows())
    together = network.eval()(rows())
    assert torch.allclose(together, mean_of_members(each, task), atol=1e-6)
    assert each.std(dim=1).min() > 0


def test_a_single_member_is_a_plain_network() -> None:
    network = build(members=1, dropout=0.0)
    x = rows()
    assert torch.equal(network(x), network.eval()(x))
    assert torch.allclose(network.head(network.features(x)), network(x))  # type: ignore[operator]


def test_features_are_the_mean_of_what_the_heads_see() -> None:
    network = build().eval()
    seen: list[Tensor] = []
    network.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))  # type: ignore[union-attr]
    network(rows())
    assert torch.allclose(network.features(rows()), seen[0].mean(dim=1))  # type: ignore[operator]


def test_dropout_is_off_in_evaluation_and_on_in_training() -> None:
    network, x = build(dropout=0.5), rows()
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


def test_the_head_takes_the_prior_of_the_classes() -> None:
    network = build(outputs=3)
    assert isinstance(network.head, MemberHeads)
    shares = torch.tensor([0.7, 0.2, 0.1])
    set_prior_bias(network.head, shares, task="classes")  # type: ignore[arg-type]
    nn.init.zeros_(network.head.weight)
    assert torch.allclose(network.eval()(rows()).softmax(1), shares.expand(6, 3))


def test_each_column_matters_and_codes_are_names_not_amounts() -> None:
    network, x = build(embedding="none", dropout=0.0).eval(), rows(1)
    for column in range(3):
        moved = x.clone()
        moved[0, column] += 0.5
        assert not torch.allclose(network(moved), network(x))
    # The answers to the codes 1, 2 and 3 do not lie on a line, as those to an amount would where no unit bends.
    answers = []
    for code in (1.0, 2.0, 3.0):
        x[0, 3] = code
        answers.append(network.columns(x))  # type: ignore[operator]
    assert not torch.allclose(answers[1] - answers[0], answers[2] - answers[1])


def test_a_number_without_edges_is_taken_as_it_is() -> None:
    columns = build().columns
    x = rows()
    assert torch.equal(columns(x)[:, 0], x[:, 1])  # type: ignore[operator]
    assert columns.outputs == 1 + 4 * (2 + len(CATEGORIES))
    bare = build(embedding="none").columns
    assert torch.equal(bare(x)[:, :3], x[:, :3])  # type: ignore[operator]


@pytest.mark.parametrize(("edges", "categories", "columns"), [([(0.0, 1.0)], (), 1), ([()], (), 1), ([], (3,), 1)])
def test_tables_of_one_kind_of_column(edges: list[tuple[float, ...]], categories: tuple[int, ...], columns: int) -> None:
    network = tabular(edges, categories, 1, "number", width=8, members=2)
    assert network.eval()(torch.ones(4, columns)).shape == (4, 1)


def test_members_and_width_cost_what_they_should() -> None:
    def count(**settings: Any) -> int:
        return sum(parameter.numel() for parameter in build(**settings).parameters())

    # One more member: the scales and the bias of two layers (from 17 columns), and a head of 16 × 2.
    assert count(members=4) - count(members=3) == (17 + 16 + 16) + (16 + 16 + 16) + 16 * 2
    assert count(embedding="none") < count()


def test_it_learns_what_a_straight_line_cannot() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.cat([2 * torch.rand(256, 1, generator=draw) - 1, torch.randint(1, 3, (256, 1), generator=draw).float()], dim=1)
    # A step in the number that turns over with the category.
    targets = ((x[:, 0].abs() > 0.5) ^ (x[:, 1] == 1)).long()
    torch.manual_seed(0)
    network = tabular([tuple(torch.linspace(-1, 1, 17).tolist())], (3,), 2, "classes", width=32, members=4)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    loss = losses.per_member(losses.cross_entropy)
    for _ in range(120):
        optimizer.zero_grad()
        loss(network(x), targets).backward()
        optimizer.step()
    assert (network.eval()(x).argmax(1) == targets).float().mean() > 0.97


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"width": 0}, "cannot be built. Expected width ≥ 1; got width = 0"),
        ({"depth": 0}, "Expected depth ≥ 1; got depth = 0"),
        ({"members": 0}, "Expected members ≥ 1; got members = 0"),
        ({"embedding_width": 0}, "Expected embedding_width ≥ 1; got embedding_width = 0"),
        ({"dropout": 1.0}, r"Expected dropout in \[0, 1\); got dropout = 1.0"),
        ({"block": "residul"}, "Did you mean 'residual'"),
        ({"embedding": "piecewise"}, "Did you mean 'piecewise_linear'"),
        ({"activation": "rellu"}, "Did you mean 'relu'"),
        ({"task": "number of"}, "Did you mean 'number'"),
    ],
)
def test_bad_arguments(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        build(**change)


def test_a_table_without_columns_is_refused() -> None:
    with pytest.raises(ArgumentError, match="no columns to learn from"):
        tabular([], (), 2, "classes")


def test_at_most_eight_settings_each_with_a_default() -> None:
    settings = [p for p in inspect.signature(tabular).parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY]
    assert len(settings) <= 8
    assert all(setting.default is not inspect.Parameter.empty for setting in settings)


def test_the_perceptron_starts_from_nothing_and_learns_by_rosenblatts_rule() -> None:
    model = perceptron((2,), 2)
    x, y = torch.tensor([[2.0, -1.0]]), torch.tensor([1])
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for _ in range(2):  # the second time the row is right, and nothing changes
        optimizer.zero_grad()
        losses.perceptron(model(x), y).backward()
        optimizer.step()
        assert model[1].weight.tolist() == [[-2, 1], [2, -1]]  # type: ignore[index]
        assert model[1].bias.tolist() == [-1, 1]  # type: ignore[index]


def test_the_perceptron_separates_what_can_be_separated() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(200, 3, generator=draw)
    y = (x @ torch.tensor([1.0, -2.0, 0.5]) > 0.3).long()
    model = perceptron((3,), 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for _ in range(60):
        for row, answer in zip(x.split(1), y.split(1), strict=True):
            optimizer.zero_grad()
            losses.perceptron(model(row), answer).backward()
            optimizer.step()
        if losses.perceptron(model(x), y) == 0:
            break
    assert (model(x).argmax(1) == y).all()


@pytest.mark.parametrize("block", BLOCKS)
def test_its_dropout_is_the_fast_one_and_thins_it_when_asked(block: str) -> None:
    network = build(block=block, dropout=0.3)
    kinds = [module for module in network.modules() if isinstance(module, nn.Dropout)]
    assert kinds
    assert all(type(module) is FastDropout for module in kinds)
    x = rows(5)
    with dropout_active(network):  # members still answer together: only dropout draws
        first, second = network(x), network(x)
    assert first.shape == second.shape == (5, 2)
    assert not torch.equal(first, second)
    found = sample_classes(network, x, samples=20, seed=0)
    assert (found.spread > 0).any()
    assert torch.allclose(found.mean.sum(1), torch.ones(5, dtype=found.mean.dtype))
