"""What a plan for trees builds: Adagrad by rows is Adagrad, and the proposal follows the person's own choices."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from leadline import data
from leadline.data.dataset import Dataset
from leadline.errors import PlanError
from leadline.models import RecursiveNetwork
from leadline.optim import make_optimizer
from leadline.plan import build, propose
from leadline.plan.tree_building import words_apart
from leadline.training import run_loop
from leadline.training.steps import BEGINNING


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    chance = random.Random(0)
    words = [f"w{number}" for number in range(60)]
    lines = [
        f"({number % 3} ({chance.randrange(3)} {chance.choice(words)}) ({chance.randrange(3)} {chance.choice(words)}))"
        for number in range(120)
    ]
    path = tmp_path_factory.mktemp("trees") / "some.txt"
    path.write_text("\n".join(lines))
    return data.load(path)


QUICK = {"model.hidden": 6, "model.embedding": 5, "training.device": "cpu", "training.threads": 1, "training.batch": 8}


def test_adagrad_by_rows_gives_the_weights_of_adagrad(dataset: Dataset) -> None:
    changes = {**QUICK, "model.dropout": 0.0, "model.word_dropout": 0.0, "training.weight_decay": 0.01}
    built = build(propose(dataset, changes), dataset)
    model: Any = built.model
    assert isinstance(model, RecursiveNetwork)
    assert model.words.sparse
    other: Any = copy.deepcopy(model)
    other.words.sparse = False
    plain = make_optimizer("adagrad", other, learning_rate=0.05, weight_decay=0.01)
    before = other.words.weight.detach().clone()
    words_apart(plain, other, by_rows=False)
    assert not other.words.sparse
    for batch in built.batches.epoch(0):
        built.step(batch, BEGINNING)
        plain.zero_grad()
        nn.functional.cross_entropy(other(batch[0]), batch[1]).backward()
        plain.step()
    for (name, ours), theirs in zip(model.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6, msg=name)
    seen = set(dataset.train.inputs.values[:, 0].tolist())  # type: ignore[union-attr]
    unseen = [number for number in range(len(before)) if number not in seen or number == 0]
    assert torch.equal(model.words.weight[unseen], before[unseen])


def test_other_optimizers_and_clipping_go_through_all_words(dataset: Dataset) -> None:
    for changes in ({"training.optimizer": "adamw"}, {"training.clip": "1"}, {"training.penalties.l2": 0.01}):
        built = build(propose(dataset, {**QUICK, **changes}), dataset)
        assert not built.model.words.sparse, changes  # type: ignore[union-attr]
        run_loop(built.step, built.batches, epochs=1, evaluate=built.evaluate, best=built.best)
    assert not words_apart(make_optimizer("adagrad", nn.Linear(2, 2), learning_rate=0.1), nn.Linear(2, 2), by_rows=True)


def test_its_state_comes_back(dataset: Dataset) -> None:
    one, other = (build(propose(dataset, QUICK), dataset) for _ in range(2))
    batches = list(one.batches.epoch(0))
    for batch in batches[:4]:
        one.step(batch, BEGINNING)
    other.step.load(copy.deepcopy(one.step.state()))
    torch.manual_seed(3)
    for batch in batches[4:]:
        one.step(batch, BEGINNING)
    torch.manual_seed(3)
    for batch in batches[4:]:
        other.step(batch, BEGINNING)
    for ours, theirs in zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_first_answer_is_the_shares_of_the_labels(dataset: Dataset) -> None:
    model: Any = build(propose(dataset, QUICK), dataset).model
    counts = torch.bincount(torch.from_numpy(dataset.train.targets.values), minlength=3)
    torch.testing.assert_close(model.head.bias.softmax(0), (counts / counts.sum()).float(), rtol=1e-3, atol=1e-3)


def test_the_proposal_speaks_of_the_optimizer_that_was_chosen(dataset: Dataset) -> None:
    usual, adam = propose(dataset), propose(dataset, {"training.optimizer": "adamw"})
    assert (usual.training.optimizer, usual.training.clip) == ("adagrad", "")
    assert usual.training.average == "swa(0.017, every=5)"
    assert propose(dataset, {"training.epochs": 1}).training.average == "swa(0.5, every=5)"
    assert adam.training.clip
    assert adam.training.average.startswith("ema")
    assert adam.training.schedule == "one_cycle"
    assert adam.training.learning_rate == 1e-3
    assert "adamw" in adam.why["training.learning_rate"]
    three = propose(dataset, {"training.epochs": 3, "training.batch": 5})
    assert "over 51 steps" in three.why["training.schedule"]
    assert "batches of 5 trees" in three.why["training.learning_rate"]
    with pytest.raises(PlanError, match="has no key"):
        propose(dataset, {"model.arity": 3})


def test_weights_of_rare_labels_count_more(dataset: Dataset) -> None:
    built = build(propose(dataset, {**QUICK, "training.class_weights": "balanced"}), dataset)
    assert torch.isfinite(built.step(next(iter(built.batches)), BEGINNING)["loss"])


def test_a_file_that_is_gone(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no file of word vectors"):
        propose(dataset, {"start.vectors": str(tmp_path / "nowhere.txt")})
