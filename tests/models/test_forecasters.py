import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadline.baselines.forecasts import seasonal_naive
from leadline.errors import ArgumentError
from leadline.losses import absolute_error
from leadline.models.forecasters import ENCODERS, SeasonalNaive, forecaster

ENCODER = pytest.mark.parametrize("encoder", ENCODERS)


def windows(batch=5, lookback=12, horizon=4, channels=6, hidden=3, seed=0):
    x = torch.randn(batch, lookback + horizon, channels, generator=torch.Generator().manual_seed(seed))
    x[:, lookback:, :hidden] = torch.nan
    return x


def made(encoder, **changes):
    arguments = {"horizon": 4, "known": 3, "season": 5, "encoder": encoder, "width": 16} | changes
    return forecaster((16, 6), 2, **arguments)


def disturbed(network):
    """With weights that are no longer 0 anywhere."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    return network.eval()


@ENCODER
def test_it_begins_as_the_seasonal_naive_forecast(encoder):
    x = windows()
    expected = seasonal_naive(x[:, :12, :2].double().numpy(), 4, 5)
    np.testing.assert_allclose(made(encoder)(x).detach().numpy(), expected, rtol=1e-6)
    last = made(encoder, season=13)(x)
    torch.testing.assert_close(last, x[:, 11:12, :2].expand(5, 4, 2))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 30))
def test_the_naive_layer_is_the_formula(lookback, season, horizon):
    x = torch.randn(2, lookback + horizon, 1)
    s = season if season <= lookback else 1
    expected = torch.stack([x[:, lookback + h - s * -(-(h + 1) // s), 0] for h in range(horizon)], dim=1)
    torch.testing.assert_close(SeasonalNaive(1, lookback, horizon, season=season)(x)[..., 0], expected)


@ENCODER
def test_every_weight_learns(encoder):
    network = disturbed(made(encoder, dropout=0.0)).train()
    absolute_error(network(windows()), torch.zeros(5, 4, 2)).backward()
    assert [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.abs().sum()] == []


@ENCODER
def test_what_is_unknown_of_the_future_is_never_looked_at(encoder):
    network, x = disturbed(made(encoder)), windows()
    cheating = x.clone()
    cheating[:, 12:, :3] = 7.0
    torch.testing.assert_close(network(cheating), network(x), rtol=0, atol=0)
    assert network(x).isfinite().all()


@ENCODER
def test_what_is_known_of_a_step_changes_that_step(encoder):
    network, x = disturbed(made(encoder)), windows()
    changed = x.clone()
    changed[:, 14, 4] += 1.0
    difference = (network(changed) - network(x)).abs().amax(dim=(0, 2))
    assert difference[2] > 1e-3
    assert difference[[0, 1, 3]].max() < 1e-6


@ENCODER
def test_rows_do_not_see_each_other(encoder):
    network, x = disturbed(made(encoder)), windows()
    torch.testing.assert_close(torch.cat([network(row[None]) for row in x]), network(x), rtol=1e-5, atol=1e-6)


@ENCODER
def test_a_level_that_moves_moves_the_forecast_with_it(encoder):
    network, x = disturbed(made(encoder, known=0)), windows(hidden=6)
    moved = x.clone()
    moved[..., :2] += 3.0
    torch.testing.assert_close(network(moved), network(x) + 3.0, rtol=1e-4, atol=1e-4)


def test_the_linear_part_is_its_formula():
    network = disturbed(made("linear"))
    x = windows().double()
    change = x[:, :12, :2] - x[:, 11:12, :2]
    weight, bias = network.steps.weight.double(), network.steps.bias.double()
    expected = network.naive(x) + torch.einsum("hl,blm->bhm", weight, change) + bias[None, :, None]
    known = torch.cat([x[:, 12:, 3:], x[:, 7:11, 3:]], dim=2)
    expected = expected + torch.einsum("mk,bhk->bhm", network.conditions.weight.double(), known)
    torch.testing.assert_close(network(x.float()).double(), expected, rtol=1e-5, atol=1e-5)


def test_a_linear_process_is_learned():
    steps = torch.randn(600, generator=torch.Generator().manual_seed(0)) * 0.1
    for at in range(2, 600):
        steps[at] += 1.5 * steps[at - 1] - 0.5 * steps[at - 2]
    x = steps.unfold(0, 10, 1).clone()[..., None]
    y = x[:, 8:, :].clone()
    x[:, 8:] = torch.nan
    network = forecaster((10, 1), 1, horizon=2, encoder="linear")
    optimizer = torch.optim.LBFGS(network.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = (network(x) - y).square().mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    # What is left is the noise: 0.1 for the first step, 0.1 √(1 + 1.5²) for the second.
    errors = (network(x) - y).square().mean(dim=(0, 2)).sqrt()
    torch.testing.assert_close(errors, torch.tensor([0.1, 0.1803]), rtol=0.08, atol=0)


@ENCODER
def test_a_network_survives_its_state_dict(encoder):
    network, x = disturbed(made(encoder)), windows()
    again = made(encoder)
    again.load_state_dict(network.state_dict())
    torch.testing.assert_close(again.eval()(x), network(x))
    assert not any("places" in name and "answers" not in name for name in network.state_dict())


def test_the_flat_encoder_sees_the_targets_and_what_is_recent_of_the_rest():
    network, x = disturbed(made("mlp")), windows()
    before, recent, known = x.clone(), x.clone(), x.clone()
    before[:, 7, 2], recent[:, 8, 2], known[:, 11, 4] = 9.0, 9.0, 9.0  # a past covariate; what was known beforehand
    torch.testing.assert_close(network.encoder(before[:, :12]), network.encoder(x[:, :12]))
    assert (network.encoder(recent[:, :12]) - network.encoder(x[:, :12])).abs().max() > 1e-3
    torch.testing.assert_close(network.encoder(known[:, :12]), network.encoder(x[:, :12]))
    target = x.clone()
    target[:, 0, 1] = 9.0
    assert (network.encoder(target[:, :12]) - network.encoder(x[:, :12])).abs().max() > 1e-3


def test_features_are_what_the_encoder_sums_up():
    assert made("mlp").features(windows()).shape == (5, 16)
    assert made("linear").features(windows()).shape == (5, 24)


@pytest.mark.parametrize("encoder", ["gru", "lstm"])
def test_recurrent_weights_begin_orthogonal_and_gates_open(encoder):
    layers = made(encoder).encoder.layers
    for gate in layers.weight_hh_l0.detach().split(16):
        torch.testing.assert_close(gate @ gate.T, torch.eye(16), atol=1e-5, rtol=0)
    if encoder == "lstm":
        assert ((layers.bias_ih_l0 + layers.bias_hh_l0)[16:32] == 1).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "transformer"}, "no encoder of series 'transformer'"),
        ({"horizon": 16}, "windows are too small"),
        ({"known": 5}, "windows are too small"),
        ({"width": 0}, "width ≥ 1"),
        ({"season": 0}, "season ≥ 1"),
        ({"dropout": 1.0}, r"dropout in \[0, 1\)"),
    ],
)
def test_arguments_out_of_range(changes, message):
    with pytest.raises(ArgumentError, match=message):
        made(changes.pop("encoder", "mlp"), **changes)
