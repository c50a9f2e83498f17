"""One way to ask all of them: codes, rows told again, and scores that are what each family defines."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from leadline.errors import ArgumentError
from leadline.models import (
    RestrictedBoltzmannMachine,
    autoencoder,
    conv_autoencoder,
    deep_belief_net,
    feed_forward_network,
    rbm,
    table_autoencoder,
    variational_autoencoder,
)
from leadline.models.told_rows import (
    as_coder,
    compared_rows,
    encoding_layers,
    row_codes,
    row_oddness,
    rows_of_codes,
    rows_told_again,
)

SHAPE = (1, 8, 8)
MODELS = {
    "autoencoder": lambda: autoencoder(SHAPE, hidden="16", code=3, output="bernoulli"),
    "tied": lambda: autoencoder(SHAPE, hidden="16", code=3, tied=True),
    "conv": lambda: conv_autoencoder(SHAPE, width=4, stages=2, code=3),
    "variational": lambda: variational_autoencoder(SHAPE, hidden="16", code=3),
    "rbm": lambda: rbm(SHAPE, hidden=3),
    "gaussian rbm": lambda: rbm(SHAPE, hidden=3, visible="gaussian"),
    "belief net": lambda: deep_belief_net(SHAPE, hidden="7-3"),
}


@pytest.mark.parametrize("name", MODELS)
def test_each_family_is_asked_alike(name: str) -> None:
    torch.manual_seed(0)
    model, x = MODELS[name]().eval(), torch.rand(5, *SHAPE)
    with torch.no_grad():
        codes, again, scores = row_codes(model, x), rows_told_again(model, x), row_oddness(model, x)
        assert codes.shape == (5, 3)
        assert again.shape == x.shape
        assert scores.shape == (5,)
        # What is told depends on the code alone.
        torch.testing.assert_close(rows_of_codes(model, codes), again)
        compared = compared_rows(model, x)
        torch.testing.assert_close(compared.squared_errors(), (again - x).square().flatten(1).sum(1))
        torch.testing.assert_close(encoding_layers(model)(x), codes)


def test_the_score_of_an_rbm_orders_rows_as_their_probabilities_do() -> None:
    torch.manual_seed(0)
    machine = RestrictedBoltzmannMachine((4,), 3)
    nn.init.normal_(machine.weight)
    rows = torch.tensor([[float(bit) for bit in f"{number:04b}"] for number in range(16)])
    hidden = torch.tensor([[float(bit) for bit in f"{number:03b}"] for number in range(8)])
    with torch.no_grad():
        energy = (
            -(rows @ machine.visible_bias)[:, None] - (hidden @ machine.hidden_bias) - rows @ machine.weight.t() @ hidden.t()
        )
        log_probability = torch.logsumexp(-energy, dim=1)
        torch.testing.assert_close(-row_oddness(machine, rows), log_probability)


def test_the_score_of_a_variational_one_is_its_bound_at_the_mean_code() -> None:
    torch.manual_seed(0)
    model, x = variational_autoencoder((6,), hidden="8", code=2).eval(), torch.rand(4, 6).round()
    with torch.no_grad():
        mean, log_variance = model.posterior(x)
        posterior = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
        kl = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).sum(1)
        likely = torch.distributions.Bernoulli(logits=model.decode(mean)).log_prob(x).sum(1)
        torch.testing.assert_close(row_oddness(model, x), kl - likely)


def test_a_grey_picture_told_exactly_is_not_odd() -> None:
    torch.manual_seed(0)
    model = autoencoder((4,), hidden="none", code=2, output="bernoulli").eval()
    x = torch.tensor([[0.5, 0.2, 0.9, 0.0], [0.1, 0.1, 0.6, 1.0]])
    with torch.no_grad():
        told = torch.distributions.Bernoulli(logits=model(x))
        expected = torch.distributions.kl_divergence(torch.distributions.Bernoulli(probs=x), told).sum(1)
        torch.testing.assert_close(row_oddness(model, x), expected)
    gaussian = autoencoder((4,), hidden="none", code=2).eval()
    with torch.no_grad():
        likely = torch.distributions.Normal(gaussian(x), 1.0).log_prob(x).sum(1)
        torch.testing.assert_close(row_oddness(gaussian, x), -likely)


def test_tables_are_compared_with_categories_as_probabilities_and_missing_cells_left_out() -> None:
    torch.manual_seed(0)
    model = table_autoencoder([(), ()], (3,), indicators=(1, -1), hidden="8", code=2).eval()
    rows = torch.tensor([[0.5, 0.0, 2.0], [0.5, 1.0, 0.0]])  # the second row's number is missing
    with torch.no_grad():
        compared = compared_rows(model, rows)
        outputs = model(rows)
    assert compared.values.tolist() == [[0.5, 0, 0, 0, 1], [0.5, 1, 1, 0, 0]]
    assert compared.weights.tolist() == [[1, 1, 1, 1, 1], [0, 1, 1, 1, 1]]
    torch.testing.assert_close(compared.told[:, 2:], outputs[:, 2:].softmax(1))
    expected = (outputs[1, 1] - 1) ** 2 + (outputs[1, 2:].softmax(0) - torch.tensor([1.0, 0, 0])).square().sum()
    assert math.isclose(float(compared.squared_errors()[1]), float(expected), rel_tol=1e-5)


def test_layers_of_a_belief_net_are_those_of_the_network_that_is_made_of_it() -> None:
    torch.manual_seed(0)
    net, x = deep_belief_net((6,), hidden="5-4"), torch.rand(3, 6)
    made = feed_forward_network(net, 2)  # type: ignore[arg-type]
    torch.testing.assert_close(encoding_layers(net)(x), made[:-1](x))


def test_other_networks_are_refused() -> None:
    with pytest.raises(ArgumentError, match="does not tell its inputs again"):
        as_coder(nn.Linear(3, 2))
