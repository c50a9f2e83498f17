"""Vectors of words that a language model learns first: what they know, what stays, and where there are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import leadline
from leadline import data
from leadline.errors import LeadlineError
from leadline.plan import propose
from leadline.plan.network_building import started
from leadline.plan.pretraining import check_pretraining, pretrained

QUICK = {"training.device": "cpu", "training.threads": 1, "training.epochs": 2, "model.hidden": 16, "model.embedding": 16}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences in which some of six words stand together, or some of six others."""
    rng = np.random.default_rng(0)
    groups = [[f"{name}{number}" for number in range(6)] for name in ("fruit", "tool")]
    lines = [" ".join(rng.choice(groups[rng.integers(2)], 7)) for _ in range(3000)]
    path = tmp_path_factory.mktemp("shed") / "shed.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def dataset(text: Path) -> data.Dataset:
    return data.load(text, unit="spaced words")


def test_words_that_stand_together_begin_alike_and_the_rest_as_it_would(dataset: data.Dataset) -> None:
    plan = propose(dataset, {**QUICK, "start.pretrain": "word2vec(epochs=3)"})
    found, again = pretrained(plan, dataset), pretrained(plan, dataset)
    assert all(torch.equal(value, again.weights[name]) for name, value in found.weights.items())
    (record,) = found.layers
    assert (record["units"], record["epochs"]) == (16, 3)
    assert record["last_loss"] < record["first_loss"]
    torch.manual_seed(plan.training.seed)
    fresh = started(plan.but({"start.pretrain": ""}), dataset).state_dict()
    changed = {name for name, value in fresh.items() if not torch.equal(value, found.weights[name])}
    assert changed == {"embedding.weight", "head.weight"}  # which are one table
    vectors, drawn = found.weights["embedding.weight"], fresh["embedding.weight"]
    assert torch.equal(vectors[0], drawn[0])  # padding
    words = dataset.schema.inputs.vocabulary.numbers
    rows = [[words[f"{name}{number}"] for number in range(6)] for name in ("fruit", "tool")]
    assert vectors[rows[0]].std() == pytest.approx(float(drawn[rows[0]].std()), rel=0.3)  # of the size of what was drawn
    one, other = (F.normalize(vectors[each], dim=1) for each in rows)
    assert (one @ one.T).mean() > (one @ other.T).mean() + 0.5


def test_a_run_tells_it_and_begins_with_it(text: Path, tmp_path: Path) -> None:
    changes = {**QUICK, "data.unit": "spaced words"}
    first = leadline.train(text, changes={**changes, "start.pretrain": "word2vec"}, folder=tmp_path / "first")
    plain = leadline.train(text, changes=changes, folder=tmp_path / "plain")
    (record,) = json.loads((first.folder / "run.json").read_text())["pretraining"]
    assert record["epochs"] == 10  # so short a text is read as often as is allowed
    rows = [json.loads(run.folder.joinpath("history.jsonl").read_text().splitlines()[0])["loss"] for run in (first, plain)]
    assert rows[0] < rows[1]


@pytest.mark.parametrize("changes", [{"data.unit": "characters"}, {"data.unit": "spaced words", "start.vectors": "v.txt"}])
def test_where_there_are_no_words_to_learn_it_is_said(text: Path, tmp_path: Path, changes: dict[str, str]) -> None:
    (tmp_path / "v.txt").write_text("fruit1 " + "0.5 " * 16 + "\n")
    chosen = {key: str(tmp_path / value) if key == "start.vectors" else value for key, value in changes.items()}
    with pytest.raises(LeadlineError, match=r"Vectors are pre-trained of words|no vectors of words that could"):
        leadline.train(text, changes={**QUICK, **chosen, "start.pretrain": "word2vec"}, folder=tmp_path / "run")


def test_other_networks_have_none() -> None:
    digits = data.load("digits")
    with pytest.raises(LeadlineError, match="no vectors of words"):
        check_pretraining(propose(digits, {"start.pretrain": "word2vec"}), digits.schema)
