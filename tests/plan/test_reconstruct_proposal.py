"""What is proposed where inputs are told again, what can be built of it, and what a Plan may not say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from leadline import data
from leadline.data.unlabelled.reconstruction_loading import load_reconstruct
from leadline.errors import LeadlineError
from leadline.models import Autoencoder, DeepBeliefNet, RestrictedBoltzmannMachine, VariationalAutoencoder
from leadline.plan import Plan, build, propose
from leadline.plan.training_rows import compared_sample, component_shares, prepared_rows
from leadline.training import LastWeights, run_loop

ROWS = np.random.default_rng(0).normal(size=(80, 6)) @ np.random.default_rng(1).normal(size=(6, 6))
QUICK = {"training.device": "cpu", "training.threads": 1, "training.step": "plain", "training.layout": "contiguous"}


@pytest.fixture(scope="module")
def digits() -> data.Dataset:
    return load_reconstruct("digits")


def test_every_choice_has_its_reason_and_the_plan_is_kept_whole(digits: data.Dataset) -> None:
    plan = propose(digits)
    assert (plan.data.task, plan.model.name) == ("reconstruct", "autoencoder")
    for key in ("data.task", "data.valid", "model.code", "model.hidden", "model.output", "training.loss", "training.epochs"):
        assert plan.why[key], key
    again = Plan.from_toml(plan.to_toml())
    assert (again.model, again.training, again.data.usual) == (plan.model, plan.training, plan.data.usual)
    assert Plan.from_json(plan.to_json()) == plan


def test_the_code_is_what_principal_components_need(digits: data.Dataset) -> None:
    shares = component_shares(compared_sample(digits, 2000)).numpy()
    code = propose(digits).model.arguments["code"]
    assert shares[code // 2 - 1] < 0.8 <= shares[min(2 * code, len(shares)) - 1]
    few = load_reconstruct(np.outer(np.arange(80.0), [1.0, 2, 3, 4, 5, 6]) + np.random.default_rng(0).normal(size=(80, 6)) / 9)
    assert propose(few).model.arguments["code"] == 2


def test_components_tell_what_singular_values_say() -> None:
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(30, 7)))
    for each in (rows, rows[:5]):
        values = np.linalg.svd(each.numpy() - each.numpy().mean(0), compute_uv=False) ** 2
        np.testing.assert_allclose(component_shares(each)[: len(values)], np.cumsum(values) / values.sum(), rtol=1e-9)


def test_what_the_inputs_are_decides_the_network() -> None:
    assert propose(load_reconstruct("iris")).model.name == "table_autoencoder"
    assert "swap" in propose(load_reconstruct("iris")).training.loss
    rows = propose(load_reconstruct(ROWS))
    assert (rows.model.name, rows.model.arguments["output"]) == ("autoencoder", "gaussian")
    large = load_reconstruct(np.random.default_rng(0).integers(0, 256, (20, 40, 40, 3), dtype=np.uint8))
    assert propose(large).model.name == "conv_autoencoder"
    drawn = load_reconstruct((np.random.default_rng(0).random((60, 6, 6)) > 0.5).astype(np.uint8) * 255)
    assert propose(drawn).model.arguments["output"] == "bernoulli"


@pytest.mark.parametrize(
    ("changes", "kind", "column"),
    [
        ({}, Autoencoder, "valid_error"),
        ({"model": "conv_autoencoder", "model.width": 4}, Autoencoder, "valid_error"),
        ({"model": "variational_autoencoder", "model.code": 3}, VariationalAutoencoder, "valid_kl"),
        ({"model": "conv_variational_autoencoder", "model.width": 4}, VariationalAutoencoder, "valid_kl"),
        ({"model": "rbm", "model.hidden": 16}, RestrictedBoltzmannMachine, "valid_pseudo_likelihood"),
        (
            {"model": "rbm", "training.loss": "persistent_divergence(particles=8, binarize=True)"},
            RestrictedBoltzmannMachine,
            "valid_loss",
        ),
        ({"model": "deep_belief_net", "model.hidden": "16-8"}, DeepBeliefNet, "valid_reconstruction"),
    ],
)
def test_each_family_is_built_and_learns(changes: dict[str, Any], kind: type, column: str, digits: data.Dataset) -> None:
    epochs = 20 if kind is RestrictedBoltzmannMachine else 3  # its first weights are small
    plan = propose(digits, {**QUICK, "training.epochs": epochs, "training.batch": 64, **changes})
    built: Any = build(plan, digits)
    assert isinstance(built.model, kind)
    assert isinstance(built.best, LastWeights) == (kind is DeepBeliefNet)
    history = run_loop(built.step, built.batches, epochs=epochs, evaluate=built.evaluate, best=built.best)
    assert column in history.records[-1]
    if kind is not DeepBeliefNet:
        assert history["valid_loss"][-1] < history["valid_loss"][0]


@pytest.mark.parametrize("model", ["rbm", "deep_belief_net"])
def test_grey_values_are_drawn_where_that_is_asked_for(model: str, digits: data.Dataset) -> None:
    plan = propose(digits, {**QUICK, "model": model})
    grey: Any = build(plan, digits)
    assert len(next(iter(grey.batches))[0].unique()) > 10
    drawn: Any = build(plan.but({"training.loss": "contrastive_divergence(binarize=True)"}), digits)
    first, later = (next(iter(drawn.batches.epoch(number)))[0] for number in (0, 1))
    assert first.unique().tolist() == later.unique().tolist() == [0.0, 1.0]


@pytest.mark.parametrize("model", ["autoencoder", "conv_autoencoder"])
def test_a_code_that_is_to_be_on_for_few_rows_has_units_from_0_to_1(model: str, digits: data.Dataset) -> None:
    loss = "reconstruct(sparsity='kl(rho=0.05)')"
    plan = propose(digits, {**QUICK, "model": model, "training.loss": loss, "model.code": 6})
    assert plan.model.arguments["code_activation"] == "sigmoid"
    assert plan.why["model.code_activation"]
    built: Any = build(plan, digits)
    history = run_loop(built.step, built.batches, epochs=2, evaluate=built.evaluate, best=built.best)
    assert history["penalty_sparsity"][-1] < history["penalty_sparsity"][0]
    assert "code_activation" not in propose(digits, {"training.loss": "reconstruct(sparsity='l1')"}).model.arguments


def test_tables_and_rows_are_built_too() -> None:
    for source in ("iris", ROWS):
        dataset = load_reconstruct(source)
        built: Any = build(propose(dataset, {**QUICK, "training.epochs": 2}), dataset)
        history = run_loop(built.step, built.batches, epochs=2, evaluate=built.evaluate, best=built.best)
        assert np.isfinite(history["valid_loss"][-1])
    dataset = load_reconstruct(ROWS)
    plan = propose(dataset, {**QUICK, "model": "rbm"})
    assert (plan.model.arguments["visible"], plan.training.learning_rate) == ("gaussian", 0.001)
    assert plan.why["training.learning_rate"].startswith("a fiftieth")
    deep = propose(dataset, {**QUICK, "model": "deep_belief_net"})
    assert deep.training.learning_rate == 0.05
    assert deep.why["training.learning_rate"].startswith("usual")
    assert "the first machine, whose units are numbers" in deep.why["training.learning_rate"]
    machine: Any = build(plan, dataset).model
    rows = prepared_rows(dataset, 1000)
    torch.testing.assert_close(machine.mean, rows.mean(0), atol=1e-5, rtol=1e-5)


def test_weights_are_chosen_by_usual_rows_alone() -> None:
    dataset = load_reconstruct("digits", usual="3")
    built: Any = build(propose(dataset, {**QUICK, "model": "rbm"}), dataset)
    assert built.evaluate.batches.rows < len(dataset.valid) / 10


def test_an_autoencoder_begins_with_the_mean_picture(digits: data.Dataset) -> None:
    plan = propose(digits, {**QUICK, "model.output": "gaussian"})
    built: Any = build(plan, digits)
    bias = list(built.model.decoder.parameters())[-1].detach()
    torch.testing.assert_close(bias, prepared_rows(digits, 10**6).mean(0).flatten(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "mlp"}, "does not tell its inputs again"),
        ({"training.loss": "variational_bound"}, "is not how autoencoder learns"),
        ({"training.loss": "cross_entropy"}, "is not how autoencoder learns"),
        ({"training.loss": "reconstuct"}, "persistent_divergence, reconstruct, variational_bound. Did you mean 'reconstruct'"),
        ({"training.loss": "hinge"}, "Expected one of contrastive_divergence, .*variational_bound"),
        ({"model": "rbm", "training.loss": "reconstruct"}, "is not how rbm learns"),
        ({"training.loss": "reconstruct(sparsity='kl')", "model.code_activation": "identity"}, "model.code_activation=sigmoid"),
        (
            {"model": "variational_autoencoder", "training.loss": "reconstruct(sparsity='kl')"},
            r"has no activation\. Take sparsity='l1'",
        ),
        (
            {"model": "rbm", "model.visible": "gaussian", "training.loss": "contrastive_divergence(binarize=True)"},
            "Leave binarize out",
        ),
        ({"training.augment.flip": True}, "augment"),
        ({"training.optimizer": "lbfgs"}, "optimizer"),
        ({"model": "rbm", "training.optimizer": "adam"}, "optimizer"),
        ({"model": "rbm", "model.visible": "cubic"}, "visible"),
        ({"training.monitor": "valid_accuracy"}, "monitor"),
        ({"model": "deep_belief_net", "training.epochs": 1}, "fewer epochs than machines"),
        ({"model": "conv_autoencoder", "model.stages": 9}, "stages|small|pixel"),
        ({"model": "conv_autoencoder", "training.batch": 1, "model.width": 4}, "batch"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], said: str, digits: data.Dataset) -> None:
    with pytest.raises(LeadlineError, match=said):
        build(propose(digits, {**QUICK, **changes}), digits)


def test_texts_of_objectives_are_checked_before_there_are_data() -> None:
    for text in ("reconstruct(corruption='masking(2)')", "contrastive_divergence(steps=0)", "variational_bound(betta=2)"):
        with pytest.raises(LeadlineError):
            Plan().but({"training.loss": text})
    assert Plan().but({"training.loss": "reconstruct(sparsity='l1')"}).training.loss == "reconstruct(sparsity='l1')"


def test_units_that_are_on_or_off_refuse_other_values() -> None:
    dataset = load_reconstruct(ROWS)
    with pytest.raises(LeadlineError, match=r"numbers in \[0, 1\]"):
        build(propose(dataset, {**QUICK, "model": "rbm", "model.visible": "bernoulli"}), dataset)
    for model, loss in (
        ("rbm", "persistent_divergence"),
        ("deep_belief_net", "contrastive_divergence"),
        ("variational_autoencoder", "variational_bound"),
    ):
        plan = propose(dataset, {**QUICK, "model": model, "training.loss": f"{loss}(binarize=True)"})
        with pytest.raises(LeadlineError, match="Leave binarize out"):
            build(plan, dataset)
    for model in ("autoencoder", "variational_autoencoder"):
        plan = propose(dataset, {**QUICK, "model": model, "model.output": "bernoulli"})
        with pytest.raises(LeadlineError, match="told as probabilities"):
            build(plan, dataset)


def test_a_table_with_categories_needs_its_own_network(tmp_path: Any) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n" + "\n".join(f"{at}.5,{'xyz'[at % 3]}" for at in range(60)))
    dataset = load_reconstruct(tmp_path / "rows.csv")
    with pytest.raises(LeadlineError, match="table_autoencoder"):
        build(propose(dataset, {**QUICK, "model": "rbm"}), dataset)
