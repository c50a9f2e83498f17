"""Deep belief nets: layer after layer, what they dream, the networks made of them, resuming to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.models.boltzmann.belief_net_steps import BeliefNetEvaluation, GreedyDivergence
from leadline.models.boltzmann.belief_nets import (
    DeepBeliefNet,
    belief_filters,
    deep_belief_net,
    downward_weights,
    feed_forward_network,
    upward_weights,
)
from leadline.models.boltzmann.boltzmann_machines import RestrictedBoltzmannMachine
from leadline.models.boltzmann.boltzmann_steps import ContrastiveDivergence
from leadline.optim import make_schedule
from leadline.training import Callback, run_loop
from leadline.training.checkpoints import load, save


def net(visible: str = "bernoulli", seed: int = 0) -> DeepBeliefNet:
    torch.manual_seed(seed)
    made = DeepBeliefNet((1, 3, 4), (8, 6, 5), visible=visible).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0, 0.7)
        if visible == "gaussian":
            made.machines[0].mean.normal_()
            made.machines[0].scale.uniform_(0.5, 2)
    return made


def pictures(rows: int = 40, seed: int = 0) -> Tensor:
    """Two of three rows of a picture are the same: something to learn."""
    line = (torch.rand(rows, 1, 1, 4, generator=torch.Generator().manual_seed(seed)) < 0.5).float()
    return torch.cat([line, 1 - line, line], 2)


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_the_network_computes_what_the_net_computes(visible: str) -> None:
    made, x = net(visible), torch.rand(7, 1, 3, 4, dtype=torch.float64)
    network = feed_forward_network(made, 3)
    torch.testing.assert_close(network[:-1](x), made(x))
    assert network(x).shape == (7, 3)
    assert [type(layer) for layer in network] == [nn.Flatten, *[nn.Linear, nn.Sigmoid] * 3, nn.Linear]
    network(x).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    dropping = feed_forward_network(made, 3, dropout=0.5)
    torch.testing.assert_close(dropping.eval()[:-1](x), made(x))
    assert not torch.equal(dropping.train()(x), dropping(x))
    with torch.no_grad():
        network[1].weight.zero_()
    assert made.machines[0].weight.any(), "the weights are copies"


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_it_reconstructs_through_as_many_machines_as_it_is_told(visible: str) -> None:
    made, x = net(visible), torch.rand(7, 1, 3, 4, dtype=torch.float64)
    one = made.machines[0]
    torch.testing.assert_close(made.reconstruct(x, layers=1), one.reconstruct(x))
    rows = x.flatten(1)
    for weight, bias in map(upward_weights, made.machines):
        rows = torch.sigmoid(rows @ weight.t() + bias)
    for machine in reversed(made.machines):
        weight, bias = downward_weights(machine)
        rows = rows @ weight.t() + bias
        rows = torch.sigmoid(rows) if machine.visible == "bernoulli" else rows
    torch.testing.assert_close(made.reconstruct(x), rows.view_as(x))


def test_dreams_go_down_from_the_topmost_machine() -> None:
    made = net()
    first, again, other = (made.sample(6, steps=3, generator=torch.Generator().manual_seed(n)) for n in (0, 0, 1))
    assert first.shape == (6, 1, 3, 4)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    with torch.no_grad():
        made.machines[2].visible_bias.fill_(50)  # all units of the second layer are on
    low = made.machines[1].visible_means(torch.ones(1, 6, dtype=torch.float64)).detach()
    found = made.sample(20_000, steps=2)
    chances = low.expand(20_000, -1)
    expected = made.machines[0].visible_means((torch.rand_like(chances) < chances).double()).mean(0)
    torch.testing.assert_close(found.flatten(1).mean(0), expected.detach(), rtol=0, atol=0.02)


def test_dreams_follow_their_start() -> None:
    made, rows = DeepBeliefNet((1, 3, 4), (16, 16)), pictures(64)
    made.start_from(rows)
    torch.manual_seed(0)
    run_loop(GreedyDivergence(made, 0.2), [rows] * 60, epochs=20)
    back = made.sample(64, steps=1, start=rows)
    assert (back - rows).square().mean() < 0.5 * (made.sample(64, steps=200) - rows).square().mean()


def test_machines_learn_one_after_the_other() -> None:
    torch.manual_seed(0)
    made, seen = DeepBeliefNet((1, 3, 4), (10, 8, 6)), []

    class Watch(Callback):
        def epoch_end(self, now: Any) -> None:
            seen.append([machine.weight.detach().clone() for machine in made.machines])

    rows = pictures()
    step = GreedyDivergence(made, 0.2)
    made.start_from(rows)
    first = [machine.weight.detach().clone() for machine in made.machines]
    history = run_loop(step, [rows] * 10, epochs=6, callbacks=[Watch()], evaluate=BeliefNetEvaluation(step, [rows]))
    assert history["layer"] == [1, 1, 2, 2, 3, 3]
    for epoch, (before, after) in enumerate(zip([first, *seen], seen, strict=False)):
        changed = [not torch.equal(old, new) for old, new in zip(before, after, strict=True)]
        assert changed == [layer == epoch // 2 for layer in range(3)]
    features = made.below(rows, 2)
    means = (features.sum(0) + 1) / (len(rows) + 2)
    assert (torch.sigmoid(made.machines[2].visible_bias) - means).abs().max() < 0.2, "begun at the means of what it sees"
    assert history["valid_reconstruction"][1] < 3


def test_what_a_row_is_reaches_the_topmost_machine() -> None:
    """Learned from probabilities that hardly differ, the units of a fourth machine would be the same for all rows."""
    torch.manual_seed(0)
    rows = torch.as_tensor(load_digits().data[:600] / 16).float()
    made = DeepBeliefNet((64,), (64, 64, 64, 64), hidden_start=0.0)
    made.start_from(rows)
    batches = list(rows.split(20))
    run_loop(GreedyDivergence(made, 0.1), batches, epochs=4 * 12)
    assert made(rows).std(0).mean() > 0.03


def test_states_are_drawn_where_rows_are_probabilities() -> None:
    torch.manual_seed(0)
    step = ContrastiveDivergence(RestrictedBoltzmannMachine((40,), 3), 1e-9)
    rows = torch.linspace(0, 1, 40).repeat(2000, 1)
    with torch.no_grad():
        step.learn(rows, 0.0, drawn=True)
    (buffers,) = step._buffers.values()
    assert buffers.data.unique().tolist() == [0, 1]
    torch.testing.assert_close(buffers.data.mean(0), rows[0], atol=0.06, rtol=0)


@pytest.mark.parametrize("arguments", [{"particles": 6}, {"precision": torch.bfloat16}])
def test_a_machine_that_has_learned_keeps_no_memory(arguments: dict[str, Any]) -> None:
    step = GreedyDivergence(DeepBeliefNet((1, 3, 4), (10, 8, 6)), **arguments)
    run_loop(step, [pictures()] * 2, epochs=3)
    held = [bool(part._buffers) or part._kept is not None or part.chains is not None for part in step.parts]
    assert held == [False, False, True]


def test_a_stack_learns_to_reconstruct() -> None:
    torch.manual_seed(0)
    made, rows = DeepBeliefNet((1, 3, 4), (24, 16)), pictures(64)
    made.start_from(rows)
    step = GreedyDivergence(made, 0.2)
    evaluation = BeliefNetEvaluation(step, [(rows, None)])
    blank = rows.var(0, correction=0).sum().item()
    run_loop(step, [(rows, rows)] * 60, epochs=20)
    assert evaluation()["valid_reconstruction"] < 0.4 * blank
    assert evaluation()["valid_reconstruction"] == pytest.approx(
        (made.reconstruct(rows) - rows).square().flatten(1).sum(1).mean().item(), rel=1e-5
    )


def test_gaussian_rows_begin_at_a_small_rate() -> None:
    step = GreedyDivergence(DeepBeliefNet((4,), (8, 4), visible="gaussian"), 0.1)
    assert [part.learning_rate for part in step.parts] == [pytest.approx(0.002), 0.1]
    made = step.net
    rows = torch.randn(60, 1, generator=torch.Generator().manual_seed(0)) * torch.ones(4) * 5 + 100
    made.start_from(rows)
    evaluation = BeliefNetEvaluation(step, [rows])
    torch.manual_seed(0)
    run_loop(step, list(rows.split(20)), epochs=2)
    assert evaluation()["valid_reconstruction"] < 5, "in units of the columns' deviation, 4 being the mean alone"


@pytest.mark.parametrize("pause", [3, 8, 9, 15])
@pytest.mark.parametrize("particles", [0, 6])
def test_a_resumed_training_is_the_same_to_the_bit(pause: int, particles: int, tmp_path: Path) -> None:
    class Pause(Callback):
        def batch_end(self, now: Any) -> str | None:
            if now.step != pause:
                return None
            save(tmp_path / "state", now.state())
            return "enough"

    class Batches:
        def __len__(self) -> int:
            return 4

        def epoch(self, number: int, first: int = 0) -> Any:
            return iter(pictures(40, number).split(11)[first:])

    def fresh() -> GreedyDivergence:
        made = DeepBeliefNet((1, 3, 4), (8, 6))
        return GreedyDivergence(made, 0.1, particles=particles, schedule=make_schedule("cosine"))

    torch.manual_seed(0)
    whole = fresh()
    history = run_loop(whole, Batches(), epochs=4)
    torch.manual_seed(0)
    run_loop(fresh(), Batches(), epochs=4, callbacks=[Pause()])
    torch.manual_seed(99)
    resumed = fresh()
    again = run_loop(resumed, Batches(), epochs=4, state=load(tmp_path / "state"))
    for name, value in whole.net.state_dict().items():
        assert torch.equal(value, resumed.net.state_dict()[name]), name
    assert history["loss"] == again["loss"]
    assert whole.rate == resumed.rate


def test_filters_go_down_to_the_data() -> None:
    made = net()
    np.testing.assert_allclose(belief_filters(made, 0).reshape(8, 12), made.machines[0].weight.detach(), rtol=1e-6)
    product = made.machines[2].weight @ made.machines[1].weight @ made.machines[0].weight
    np.testing.assert_allclose(belief_filters(made, 2), product.detach().numpy().reshape(5, 1, 3, 4), rtol=1e-5)
    with pytest.raises(ArgumentError, match="number from 0 to 2; got 3"):
        belief_filters(made, 3)


def test_the_builder_reads_widths() -> None:
    made = deep_belief_net((1, 28, 28))
    assert [tuple(machine.weight.shape) for machine in made.machines] == [(500, 784), (500, 500), (2000, 500)]


def test_what_is_refused() -> None:
    with pytest.raises(ArgumentError, match="at least 1 hidden layer"):
        deep_belief_net((4,), hidden="none")
    with pytest.raises(ArgumentError, match="cannot be read"):
        deep_belief_net((4,), hidden="4,3")
    with pytest.raises(ArgumentError, match="Linear is no deep belief net"):
        GreedyDivergence(nn.Linear(2, 2))
    with pytest.raises(ArgumentError, match="outputs is out of range"):
        feed_forward_network(net(), 0)
    with pytest.raises(ArgumentError, match=r"numbers in \[0, 1\]"):
        run_loop(GreedyDivergence(DeepBeliefNet((4,), (3,))), [torch.full((5, 4), 2.0)], epochs=1)
    with pytest.raises(ArgumentError, match="fewer steps than machines"):
        run_loop(GreedyDivergence(DeepBeliefNet((4,), (3, 3, 3))), [torch.rand(5, 4)], epochs=2)
    with pytest.raises(ArgumentError, match="nothing to judge"):
        BeliefNetEvaluation(GreedyDivergence(net()), [])()
