"""What is proposed for answers to each step, and what a Plan for them may not say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from leadline.data.steps.step_loading import load_steps
from leadline.errors import LeadlineError
from leadline.plan import Plan, build, propose
from leadline.plan.network_building import network

WORDS = [[f"w{(row * 7 + at) % 11}" for at in range(2 + row % 5)] for row in range(40)]
TAGS = [[f"t{int(word[1:]) % 3}" for word in row] for row in WORDS]
QUICK = {"training.device": "cpu", "training.threads": 1, "model.hidden": 8}


def test_every_choice_has_its_reason_and_the_plan_is_kept_whole() -> None:
    plan = propose(load_steps(WORDS, TAGS))
    assert (plan.data.task, plan.model.name, plan.model.arguments["bidirectional"]) == ("sequence", "recurrent", True)
    assert "one of 3 classes" in plan.why["data.task"]
    for key in ("model.hidden", "model.bidirectional", "training.batch", "training.epochs", "training.loss", "training.clip"):
        assert plan.why[key], key
    assert Plan.from_toml(plan.to_toml()).to_json()["model"] == plan.to_json()["model"]
    assert "every_step" not in plan.model.arguments


def test_more_steps_repay_more_hidden_units() -> None:
    few, many = (
        propose(load_steps(*([each * times for each in rows] for rows in (WORDS, TAGS)), longest=9999)) for times in (1, 1000)
    )
    assert few.model.arguments["hidden"] < many.model.arguments["hidden"]
    assert few.training.epochs > many.training.epochs


def test_it_starts_with_the_shares_of_the_classes() -> None:
    dataset = load_steps(WORDS, [["t0" if at else "t1" for at in range(len(row))] for row in WORDS])
    built = build(propose(dataset, QUICK), dataset)
    values = dataset.train.targets.values
    head: Any = built.model.head
    expected = np.log(np.bincount(values) / len(values))
    np.testing.assert_allclose(head.bias.detach().numpy(), expected, rtol=1e-5)
    outputs = built.model.eval()(next(iter(built.batches))[0])
    assert outputs.shape[2] == 2
    assert set(built.evaluate()) == {"valid_loss", "valid_accuracy"}


def test_the_network_answers_each_step_whatever_stands_behind_the_row() -> None:
    dataset = load_steps(WORDS, TAGS)
    model = network(propose(dataset, QUICK), dataset.schema).eval()
    row = torch.tensor([[2, 3, 4]])
    with torch.no_grad():
        alone, padded = model(row), model(torch.nn.functional.pad(row, (0, 4)))
    torch.testing.assert_close(alone, padded[:, :3])
    assert float(padded[:, 3:].abs().max()) == 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": "averaged_embeddings"}, "one answer for a whole row"),
        ({"model": "mlp"}, "one answer for a whole row"),
        ({"training.loss": "squared_error"}, "not for the task 'classes'"),
        ({"training.loss": "binary_cross_entropy"}, "Expected one of cross_entropy"),
        ({"training.monitor": "valid_f1"}, "valid_accuracy"),
        ({"training.step": "recorded"}, "differ in length"),
        ({"model.every_step": False}, "no key"),
    ],
)
def test_what_does_not_go_together_is_told(changes: dict[str, Any], says: str) -> None:
    dataset = load_steps(WORDS, TAGS)
    with pytest.raises(LeadlineError, match=says):
        build(propose(dataset, {**QUICK, **changes} if "model" not in changes else changes), dataset)


def test_classes_may_be_weighed_and_smoothed() -> None:
    dataset = load_steps(WORDS, TAGS)
    plain, weighed = (
        build(propose(dataset, {**QUICK, **changes}), dataset)
        for changes in ({}, {"training.class_weights": "balanced", "training.label_smoothing": 0.1})
    )
    assert plain.evaluate()["valid_loss"] != weighed.evaluate()["valid_loss"]


def test_an_entropy_bonus_is_given_at_each_step_that_has_a_class() -> None:
    dataset = load_steps(WORDS, [[tag if at else None for at, tag in enumerate(row)] for row in TAGS])
    built = build(propose(dataset, {**QUICK, "training.entropy_bonus": 0.5}), dataset)
    outputs, targets = torch.randn(2, 3, 3), torch.tensor([[-100, 0, 1], [-100, 2, -100]])
    there = outputs[targets >= 0]
    expected = torch.nn.functional.cross_entropy(there, targets[targets >= 0])
    expected = expected - 0.5 * torch.distributions.Categorical(logits=there).entropy().mean()
    torch.testing.assert_close(built.evaluate.loss(outputs, targets), expected)
    numbers = load_steps([np.arange(4.0) + row for row in range(9)], [[0.5, 0.25, 2.25, 1.5]] * 9)
    with pytest.raises(LeadlineError, match="one class of several"):
        build(propose(numbers, {**QUICK, "training.entropy_bonus": 0.5}), numbers)
