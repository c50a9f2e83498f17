"""Losses by name: the same words in Python, in a Plan and on the command line."""

from __future__ import annotations

import functools
import pickle

import pytest
import torch
from drawn_rows import rows

from leadline import losses
from leadline.errors import ArgumentError


def test_losses_by_name_and_task() -> None:
    assert losses.get("cross_entropy", task="classes") is losses.cross_entropy
    assert losses.get(" cross_entropy() ") is losses.cross_entropy
    with pytest.raises(ArgumentError, match="Did you mean 'cross_entropy'"):
        losses.get("crossentropy")
    with pytest.raises(
        ArgumentError, match=r"not for the task 'number'\. Expected one of squared_error, absolute_error, huber, quantile"
    ):
        losses.get("cross_entropy(label_smoothing=0.1)", task="number")


@pytest.mark.parametrize("task", ["classes", "labels", "number"])
def test_each_task_has_a_loss(task: str) -> None:
    assert any(task in loss.tasks for loss in losses.LOSSES.values())


def test_the_table_names_each_function_by_its_own_name() -> None:
    assert all(name == row.function.__name__ for name, row in losses.LOSSES.items())
    assert all(getattr(losses, name) is row.function for name, row in losses.LOSSES.items())


@pytest.mark.parametrize(
    ("text", "name", "keywords"),
    [
        ("huber(delta=2)", "huber", {"delta": 2}),
        ("quantile(tau=0.9)", "quantile", {"tau": 0.9}),
        ("weston_watkins(margin=0.5)", "weston_watkins", {"margin": 0.5}),
        ("crammer_singer(margin=2)", "crammer_singer", {"margin": 2}),
        ("binary_hinge(margin=3)", "binary_hinge", {"margin": 3}),
        ("kl_divergence(label_smoothing=0.1)", "kl_divergence", {"label_smoothing": 0.1}),
    ],
)
def test_arguments_in_the_text_are_those_of_the_function(text: str, name: str, keywords: dict[str, float]) -> None:
    loss = losses.get(text)
    outputs, targets = rows(name)
    expected = losses.LOSSES[name].function(outputs, targets, **keywords).item()
    assert loss(outputs, targets).item() == expected != losses.get(name)(outputs, targets).item()
    assert isinstance(loss, functools.partial)
    assert pickle.loads(pickle.dumps(loss))(outputs, targets).item() == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("huber(delta=-1)", "no width.*got -1"),
        ("huber(delta='wide')", "'delta' .* Expected a number; got 'wide'"),
        ("huber(delta=None)", "'delta' .* Expected a number; got None"),
        ("quantile(tau=2)", "no such quantile"),
        ("weston_watkins(margin=-0.5)", "margin is out of range"),
        ("crammer_singer(margin=-1)", "margin is out of range"),
        ("binary_hinge(margin=-1)", "margin is out of range"),
        ("cross_entropy(label_smoothing=1.5)", "smoothing is out of range"),
        ("huber(dleta=2)", r"no argument of huber 'dleta'.*one of delta\. Did you mean 'delta'"),
        ("huber(2)", r"do not fit. Expected huber\(\*, delta=1.0\)"),
        ("huber(reduction='none')", "no argument of huber 'reduction'"),
        ("cross_entropy(class_weights=[1, 2])", "no argument of cross_entropy 'class_weights'"),
        ("squared_error(delta=1)", "'squared_error' takes no arguments"),
        ("huber(delta=2) * quantile", "is a product"),
        ("huber(", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_what_a_text_cannot_ask_for(text: str, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        losses.get(text)


def test_asking_for_a_loss_draws_no_random_numbers() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    losses.get("huber(delta=2)")
    assert torch.get_rng_state().equal(before)
