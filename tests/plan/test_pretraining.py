"""Layers that learn the inputs first: the same outputs as the machines they were, and what cannot be pre-trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from leadline import data
from leadline.data.unlabelled.reconstruction_loading import load_reconstruct
from leadline.errors import LeadlineError
from leadline.models import DeepBeliefNet, PretrainedLayer, autoencoder, load_pretrained
from leadline.plan import build, propose
from leadline.plan.network_building import network
from leadline.plan.pretraining import _folded, check_pretraining, layers_of, pretrained
from leadline.plan.training_rows import prepared_rows
from leadline.training import run_loop

QUICK = {"training.device": "cpu", "training.threads": 1, "training.epochs": 1, "model.width": 12, "model.depth": 2}


@pytest.fixture(scope="module")
def digits() -> data.Dataset:
    return data.load("digits")


@pytest.fixture(scope="module")
def images() -> data.Dataset:
    return load_reconstruct("digits")


def test_a_perceptron_is_proposed_and_its_units_suit(digits: data.Dataset) -> None:
    plan = propose(digits, {"start.pretrain": "rbm"})
    assert (plan.model.name, plan.model.arguments["activation"], plan.model.arguments["batch_norm"]) == (
        "mlp",
        "sigmoid",
        False,
    )
    assert plan.why["model.name"]
    assert plan.why["model.activation"]
    assert plan.why["start.pretrain"] == "chosen by you"
    other = propose(digits, {"start.pretrain": "autoencoder"})
    assert (other.model.name, "activation" in other.model.arguments) == ("mlp", False)


@pytest.mark.parametrize("text", ["rbm(epochs=15, learning_rate=0.2)", "autoencoder(epochs=2, corruption='masking(0.2)')"])
def test_hidden_layers_learn_and_the_head_stays_as_it_would_begin(text: str, digits: data.Dataset) -> None:
    plan = propose(digits, {**QUICK, "start.pretrain": text})
    found, again = pretrained(plan, digits), pretrained(plan, digits)
    assert [round(layer["layer"]) for layer in found.layers] == [1, 2]
    assert found.layers[0]["last_loss"] < found.layers[0]["first_loss"]
    assert found.layers[0]["units"] == 12
    for name, value in found.weights.items():
        assert torch.equal(value, again.weights[name]), name
    torch.manual_seed(plan.training.seed)
    fresh = network(plan, digits.schema).state_dict()
    changed = [name for name, value in fresh.items() if name.endswith("weight") and not torch.equal(value, found.weights[name])]
    assert len(changed) == 2  # both hidden layers, and not the head


def test_a_machine_on_pixels_and_the_layer_made_of_it_give_the_same() -> None:
    torch.manual_seed(0)
    layer = PretrainedLayer(torch.randn(3, 4), torch.randn(3), torch.randn(4, 3), torch.randn(4))
    scale, shift, x = torch.rand(4) + 0.5, torch.randn(4), torch.randn(5, 4)
    folded = _folded(layer, scale, shift)
    expected = torch.nn.functional.linear(x * scale + shift, layer.weight, layer.bias)
    torch.testing.assert_close(torch.nn.functional.linear(x, folded.weight, folded.bias), expected)


def test_hidden_units_of_the_network_are_the_probabilities_of_the_machine(digits: data.Dataset) -> None:
    """After pre-training, first hidden units answer to stored pictures as if these were pixels from 0 to 1."""
    plan = propose(digits, {**QUICK, "start.pretrain": "rbm(epochs=4)"})
    model = network(plan, digits.schema).eval()
    model.load_state_dict(pretrained(plan, digits).weights)
    stored = torch.from_numpy(np.ascontiguousarray(digits.train.inputs[:200]))
    with torch.no_grad():
        hidden = model[:3](digits.schema.inputs.preparer(torch.device("cpu"))(stored))  # type: ignore[index]
        linear: Any = model[1]  # type: ignore[index]
    inputs: Any = digits.schema.inputs
    # The weights as they see pixels from 0 to 1: W a = W', so W = W' / a with a = std / 16.
    pixels = stored.permute(0, 3, 1, 2).flatten(1).float() / 16
    weight = linear.weight * (16 / inputs.std[0])
    bias = linear.bias - linear.weight.sum(1) * inputs.mean[0] / inputs.std[0]
    torch.testing.assert_close(hidden, torch.sigmoid(pixels @ weight.t() + bias), atol=1e-4, rtol=1e-4)
    assert 0.02 < float(hidden.mean()) < 0.98
    assert float(hidden.std(dim=0).mean()) > 0.02


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("autoencoder(epochs=10, learning_rate=0.01)", "bernoulli"),
        ("autoencoder(epochs=10, learning_rate=0.01)", "gaussian"),
        ("rbm(epochs=20, learning_rate=0.2)", "bernoulli"),
    ],
)
def test_an_autoencoder_begins_by_telling_what_its_stack_tells(text: str, output: str, images: data.Dataset) -> None:
    """Better than the mean picture would: log odds in the place of shades would be far worse."""
    changes = {"training.device": "cpu", "training.threads": 1, "training.batch": 32, "model.hidden": "20", "model.code": 5}
    plan = propose(images, {**changes, "model.output": output, "start.pretrain": text})
    found = pretrained(plan, images)
    assert [layer["units"] for layer in found.layers] == [20, 5]
    model: Any = network(plan, images.schema).eval()
    model.load_state_dict(found.weights)
    rows = prepared_rows(images, 2000)
    with torch.no_grad():
        error = (model.reconstruct(rows) - rows).square().mean()
    assert error < 0.9 * rows.var(dim=0, correction=0).mean()


def test_machines_that_tell_probabilities_begin_no_network_that_tells_shades(images: data.Dataset) -> None:
    plan = propose(images, {"start.pretrain": "rbm"})
    asked = {"activation": "sigmoid", "code_activation": "sigmoid", "output": "bernoulli"}
    assert {name: plan.model.arguments[name] for name in asked} == asked
    assert all(plan.why[f"model.{name}"] for name in asked)
    check_pretraining(plan, images.schema)
    with pytest.raises(LeadlineError, match="model.output = bernoulli"):
        check_pretraining(plan.but({"model.output": "gaussian"}), images.schema)
    # Numbers that are standardized are told as they are.
    numbers = load_reconstruct(np.random.default_rng(0).normal(size=(60, 5)))
    plan = propose(numbers, {"start.pretrain": "rbm"})
    assert plan.model.arguments["output"] == "gaussian"
    check_pretraining(plan, numbers.schema)


@pytest.mark.parametrize(
    ("text", "depth", "width"), [("rbm(epochs=5, learning_rate=0.3)", 3, 64), ("autoencoder(epochs=10)", 4, 32)]
)
def test_a_deep_network_of_sigmoid_units_learns_sooner_from_layers_that_learned_first(
    text: str, depth: int, width: int, digits: data.Dataset
) -> None:
    changes = {
        "model": "mlp",
        "model.activation": "sigmoid",
        "model.batch_norm": False,
        "model.dropout": 0.0,
        "model.depth": depth,
        "model.width": width,
        "training.optimizer": "adam",
        "training.learning_rate": 1e-3,
        "training.schedule": "constant",
        "training.average": "",
        "training.batch": 32,
        "training.device": "cpu",
        "training.threads": 1,
        "training.step": "plain",
        "training.layout": "contiguous",
    }
    right = []
    for way in ("", text):
        plan = propose(digits, {**changes, **({"start.pretrain": way} if way else {})})
        built: Any = build(plan, digits, first=pretrained(plan, digits).weights if way else None)
        history = run_loop(built.step, built.batches, epochs=3, evaluate=built.evaluate)
        right.append(history["valid_accuracy"][-1])
    assert right[0] < 0.25
    assert right[1] > right[0] + 0.15


def test_an_autoencoder_made_of_machines_tells_rows_as_these_do() -> None:
    """Numbers, too, whose scales and means its last layer must give back."""
    rows = 100 + 7 * torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    net = DeepBeliefNet((5,), (6, 4), visible="gaussian")
    net.start_from(rows)
    with torch.no_grad():
        for machine in net.machines:
            machine.weight.normal_()
            machine.visible_bias.normal_()
    model = autoencoder((5,), hidden="6", code=4, activation="sigmoid", code_activation="sigmoid")
    load_pretrained(model, layers_of(net))
    with torch.no_grad():
        torch.testing.assert_close(model(rows), net.reconstruct(rows))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "convnet"}, "no stack of layers"),
        ({"model": "mlp", "model.activation": "relu"}, "sigmoid units"),
        ({"model.batch_norm": True}, "batch"),
        ({"start.restarts": 3}, "one of it"),
        ({"start.initialize": "he"}, "one of it"),
    ],
)
def test_what_cannot_be_pretrained_is_refused(changes: dict[str, Any], said: str, digits: data.Dataset) -> None:
    with pytest.raises(LeadlineError, match=said):
        check_pretraining(propose(digits, {"start.pretrain": "rbm", **changes}), digits.schema)


def test_texts_are_checked_at_once(digits: data.Dataset) -> None:
    for text in ("rbn", "rbm(epochs=0)", "autoencoder(corruption='masking(3)')"):
        with pytest.raises(LeadlineError):
            propose(digits, {"start.pretrain": text})


def test_maxout_layers_do_not_follow_on_each_other(digits: data.Dataset) -> None:
    plan = propose(digits, {**QUICK, "model.activation": "maxout", "start.pretrain": "autoencoder(epochs=1)"})
    with pytest.raises(LeadlineError, match="follow on each other"):
        pretrained(plan, digits)
