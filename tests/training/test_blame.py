from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import leadline
from leadline.data import Batches, Classes, Schema, Split, Vectors
from leadline.errors import ArgumentError, TrainingError
from leadline.training import run_loop
from leadline.training.blame import strange_sample
from leadline.training.population import Candidate, Population, PopulationBatch, PopulationBatches


def convnet() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))


def fit(network: nn.Module, inputs: Tensor, targets: Tensor, loss: Callable[..., Tensor] = nn.functional.cross_entropy) -> Any:
    return leadline.fit(network, [(inputs, targets)], epochs=1, device="cpu", loss=loss)


@pytest.mark.parametrize(
    ("inputs", "layer", "shape"),
    [
        (torch.zeros(5, 1, 8, 8), r"layer '0', Conv2d\(3, 4", r"float32 \[5, 1, 8, 8\]"),
        (torch.zeros(5, 3, 9, 9), r"layer '3', Linear\(in_features=144", r"float32 \[5, 196\]"),
        (torch.zeros(5, 3, 8, 8, dtype=torch.float64), "layer '0'", r"float64 \[5, 3, 8, 8\]"),
        (torch.zeros(5, 3, 8, 8, dtype=torch.long), "layer '0'", r"int64 \[5, 3, 8, 8\]"),
    ],
)
def test_a_layer_that_refuses_its_input_is_named(inputs: Tensor, layer: str, shape: str) -> None:
    with pytest.raises(ArgumentError, match=f"{layer}.*cannot take its input.*{shape}"):
        fit(convnet(), inputs, torch.zeros(5, dtype=torch.long))


@pytest.mark.parametrize(
    "targets", [torch.tensor([0, 5]), torch.zeros(3, dtype=torch.long), torch.zeros(2, 2, dtype=torch.long)]
)
def test_targets_that_do_not_fit_are_shown_with_the_outputs(targets: Tensor) -> None:
    with pytest.raises(ArgumentError, match=r"loss cannot take.*outputs float32 \[2, 2\] and targets int64 \["):
        fit(nn.Linear(3, 2), torch.zeros(2, 3), targets)


class Broken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        self.layer(x)
        raise ValueError("a slip in a person's own code")


def test_a_slip_in_the_networks_own_code_stays_what_it_is() -> None:
    with pytest.raises(ValueError, match="own code") as caught:
        fit(Broken(), torch.zeros(2, 3), torch.zeros(2, dtype=torch.long))
    assert not isinstance(caught.value, ArgumentError)


def test_no_hook_stays_behind() -> None:
    network = convnet()
    with pytest.raises(ArgumentError):
        fit(network, torch.zeros(5, 1, 8, 8), torch.zeros(5, dtype=torch.long))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def batches(rows: int = 20, bad: int = 13) -> Batches:
    inputs = np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32)
    schema = Schema(Vectors.learn(inputs), Classes(("no", "yes")))
    inputs[bad, 1] = np.nan
    split = Split(inputs, np.arange(rows) % 2, ids=[f"row-{row}" for row in range(rows)])
    return Batches(split, schema, batch_size=6, shuffle=True, seed=3)


@pytest.mark.parametrize("epoch", range(4))
def test_a_sample_without_a_number_is_named_whatever_the_order(epoch: int) -> None:
    assert strange_sample(batches(), epoch) == "sample 'row-13'"


def test_a_training_names_the_sample_that_is_no_number() -> None:
    with pytest.raises(TrainingError, match="after step 4.*sample 'row-13'"):
        leadline.fit(nn.Linear(3, 2), batches(), epochs=1, device="cpu")


def of_many(networks: int = 3, *, shared: bool = True) -> PopulationBatches:
    """The same rows for many networks at once, each in its own order; gathered together, or stacked from their own batches."""
    population = Population([Candidate(nn.Linear(3, 2)) for _ in range(networks)], nn.functional.cross_entropy)
    each = [batches() for _ in range(networks)]
    for seed, own in enumerate(each):
        own.seed = seed
        own.stored = each[0].stored if shared else own.stored.clone()
    return PopulationBatches(each, population)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("epoch", range(4))
def test_among_many_networks_at_once_it_is_the_sample_that_is_named_and_not_the_network(epoch: int, shared: bool) -> None:
    assert strange_sample(of_many(shared=shared), epoch) == "sample 'row-13'"


def test_a_strange_target_among_many_networks_is_named_by_its_row() -> None:
    rows, inputs = torch.tensor([[4, 7], [9, 2]]), torch.zeros(2, 2, 3)
    targets = torch.tensor([[0.0, 0.0], [0.0, torch.inf]])  # the second row of the second network: row 2 of the split
    named = SimpleNamespace(ids="abcdefghij", epoch=lambda epoch: [PopulationBatch(rows, inputs, targets)])
    assert strange_sample(named, 0) == "sample 'c'"  # type: ignore[arg-type]


def test_a_training_of_many_networks_at_once_names_the_sample_that_is_no_number() -> None:
    many = of_many()
    with pytest.raises(TrainingError, match="no longer a number after step 4.*sample 'row-13'"):
        run_loop(many.population, many, epochs=1)


def test_steps_behind_the_end_of_a_series_are_no_fault_and_a_gap_within_is() -> None:
    series = torch.zeros(2, 4, 2)
    series[0, 2:] = torch.nan
    assert strange_sample([(series, torch.zeros(2))], 0) == ""
    series[1, 1] = torch.nan
    assert strange_sample([(series, torch.zeros(2))], 0) == "row 1 of batch 0"


def test_where_all_samples_are_numbers_the_rate_is_suspected() -> None:
    rows = [(torch.full((4, 3), 1e30), torch.tensor([0, 1, 0, 1]))] * 3
    with pytest.raises(TrainingError, match="though all inputs and targets are.*learning rate"):
        leadline.fit(nn.Linear(3, 2), rows, epochs=2, device="cpu", loss=lambda y, t: y.square().mean())
