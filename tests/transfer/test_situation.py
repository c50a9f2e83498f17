"""The situation: measured skills that are right, decisions that follow from them, and a cost that is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn

from leadline import data
from leadline.data import Classes, Dataset, Numbers
from leadline.errors import ArgumentError
from leadline.models import convnet
from leadline.transfer.attempts import Attempts
from leadline.transfer.brief_training import train_briefly
from leadline.transfer.deciding import STRATEGIES, Candidate, decide
from leadline.transfer.situation import Situation, measure_situation
from leadline.transfer.skills import judged, lead_of, neighbours_predictions

ANSWERS = Classes(("a", "b"))
TARGETS = torch.arange(200) % 2


def answers_right(share: float, seed: int = 0) -> Tensor:
    """Predictions for 200 rows of which this share is right."""
    right = torch.rand(200, generator=torch.Generator().manual_seed(seed)).argsort() < 200 * share
    chosen = torch.where(right, TARGETS, 1 - TARGETS)
    return torch.nn.functional.one_hot(chosen, 2) * 0.8 + 0.1


def candidate(strategy: str, share: float, layer: str = "x", seed: int = 0) -> Candidate:
    p = answers_right(share, seed)
    return Candidate(
        strategy, layer, 1, p, judged(strategy, layer, p, TARGETS, ANSWERS, "", 0.0), 1.0 if strategy.endswith("head") else 0.1
    )


def decided(early: float, late: float, tuned: float, scratch: float, rows: float = 1000) -> tuple[str, str]:
    candidates = [
        candidate("early head", early, "early"),
        candidate("head", late, "late"),
        candidate("fine-tune", tuned, "late"),
        candidate("scratch", scratch, "late"),
    ]
    found = decide(candidates, TARGETS, ANSWERS, rows)
    return found.strategy, found.similarity


def test_each_way_is_chosen_where_it_is_clearly_ahead() -> None:
    assert decided(0.7, 0.95, 0.8, 0.6) == ("head", "similar")
    assert decided(0.9, 0.7, 0.75, 0.6) == ("early head", "different")
    assert decided(0.7, 0.8, 0.9, 0.6) == ("fine-tune", "similar")
    assert decided(0.6, 0.7, 0.8, 0.95) == ("scratch", "different")


def test_with_much_data_a_short_training_is_expected_to_go_on() -> None:
    assert decided(0.7, 0.90, 0.895, 0.6, rows=1000)[0] == "fine-tune"
    assert decided(0.7, 0.90, 0.895, 0.6, rows=20)[0] == "head"
    assert decided(0.7, 0.95, 0.80, 0.6, rows=1000)[0] == "head"


@pytest.mark.parametrize("force", STRATEGIES)
def test_each_way_can_be_forced(force: str) -> None:
    candidates = [candidate("early head", 0.6, "early"), candidate("head", 0.9, "late")]
    found = decide(candidates, TARGETS, ANSWERS, 10.0, force=force)
    assert found.strategy == force
    assert found.reason == "chosen by you"
    if force == "early head":
        assert found.layer == "early"


def test_a_forced_early_head_stands_on_the_best_of_the_early_layers() -> None:
    candidates = [candidate("early head", 0.8, "low"), candidate("early head", 0.6, "middle"), candidate("head", 0.9, "late")]
    assert decide(candidates, TARGETS, ANSWERS, 10.0, force="early head").layer == "low"


def test_the_reason_holds_the_numbers() -> None:
    found = decide([candidate("early head", 0.6, "early"), candidate("head", 0.9, "late")], TARGETS, ANSWERS, 10.0)
    assert "head reached 0.900 (" in found.reason
    assert "early head 0.600" in found.reason
    short = decide([candidate("head", 0.9), candidate("fine-tune", 0.9)], TARGETS, ANSWERS, 1000.0)
    expected = 1 - 0.1 * 0.1**0.3  # the error after a tenth of the training, and the power of the share
    assert f"in 10% of the training, from which {expected:.3f} is expected at its end" in short.reason


def test_neighbours_vote_as_those_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    x, t = torch.randn(120, 6, generator=generator) * torch.logspace(0, 3, 6), torch.randint(0, 3, (120,), generator=generator)
    p = neighbours_predictions(x[:100], t[:100], x[100:], Classes(("a", "b", "c")))
    mean, std = x[:100].mean(0), x[:100].std(0, correction=0)
    model = KNeighborsClassifier(5, metric="cosine").fit((x[:100] - mean) / std, t[:100])
    votes = model.predict_proba((x[100:] - mean) / std)
    prior = np.bincount(t[:100], minlength=3) / 100
    np.testing.assert_allclose(p, (5 * votes + prior) / 6, atol=1e-5)
    numbers = neighbours_predictions(x[:100], t[:100, None].double(), x[100:], Numbers(("y",), (1.0,), (2.0,)))
    np.testing.assert_allclose(numbers[:, 0], votes @ np.arange(3), atol=1e-5)


def test_a_lead_counts_up_for_errors_that_go_down() -> None:
    y = torch.linspace(0, 1, 50, dtype=torch.float64)[:, None]
    numbers = Numbers(("y",), (0.0,), (1.0,))
    value, low, high = lead_of(y + 0.1, y + 0.3, y, numbers)
    assert value == pytest.approx(0.2)
    assert low <= value <= high


def stripes(rows: int, classes: int, seed: int, mixed: float = 0.0) -> Dataset:
    """Pictures of stripes whose direction and width are the class, in noise."""
    generator = np.random.default_rng(seed)
    targets = np.arange(rows) % classes
    y, x = np.mgrid[:12, :12]
    angle = targets * np.pi / classes
    phase = generator.uniform(0, 6.28, rows)
    waves = np.sin(np.cos(angle)[:, None, None] * x * 1.3 + np.sin(angle)[:, None, None] * y * 1.3 + phase[:, None, None])
    pictures = np.clip(128 + 60 * waves + generator.normal(0, 40, waves.shape), 0, 255).astype(np.uint8)
    return data.load(pictures[..., None], targets)


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    """A network that knows six directions of stripes."""
    torch.manual_seed(0)
    network = convnet((1, 12, 12), 6, width=8, stages=2)
    known = stripes(900, 6, 1)
    p = train_briefly(network, known, 6 * len(known.train), learning_rate=5e-3)
    assert (p.argmax(1).numpy() == known.valid.targets).mean() > 0.8
    return network


def test_few_new_stripes_want_a_head_and_the_cost_is_kept(trained: nn.Module, tmp_path: Path) -> None:
    before = {name: each.clone() for name, each in trained.state_dict().items()}
    state = torch.get_rng_state()
    few = stripes(120, 4, 2)
    situation = measure_situation(trained, few, epochs=20, cache=tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(each, before[name]) for name, each in trained.state_dict().items())
    assert situation.cost <= 0.2
    assert situation.amount == "little"
    assert situation.rows_per_class == 21.0
    named = {skill.name: skill for skill in situation.skills}
    assert {"new head on early features", "new head on late features", "nearest neighbours by late features"} <= set(named)
    chosen = {"head": "new head on late features", "early head": "new head on early features", "fine-tune": "fine-tuning"}
    best = max(skill.value for name, skill in named.items() if not name.startswith("nearest"))
    assert named[chosen[situation.decision]].value >= best - 0.01
    assert named["new head on late features"].value > 0.9
    assert Situation.from_json(situation.to_json()) == situation
    assert "little data" in situation.words()
    again = measure_situation(trained, few, epochs=20, cache=tmp_path)
    assert replace(again, seconds=0.0, skills=()) == replace(situation, seconds=0.0, skills=())
    assert [skill.value for skill in again.skills] == [skill.value for skill in situation.skills]


def test_a_network_that_knows_nothing_of_use_is_not_kept_frozen(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = convnet((1, 12, 12), 6, width=8, stages=2)
    with torch.no_grad():
        network[0].weight.fill_(0.0)  # every picture looks the same to it
        network[0].weight[:, :, 1, 1] = 1e-3
        for layer in (network[3], network[7], network[10]):
            layer.weight.fill_(1e-3)
    situation = measure_situation(network, stripes(900, 4, 3), epochs=30, cache=tmp_path)
    assert situation.decision in ("scratch", "fine-tune", "early head")
    assert situation.similarity == "different"


def test_where_a_head_leaves_nothing_to_win_nothing_is_trained(trained: nn.Module, tmp_path: Path) -> None:
    bright = stripes(400, 2, 5)
    pictures = np.concatenate([part.inputs for part in (bright.train, bright.valid, bright.test)])
    targets = np.arange(len(pictures)) % 2
    shades = data.load(pictures // 4 + 150 * targets[:, None, None, None].astype(np.uint8), targets)
    situation = measure_situation(trained, shades, epochs=20, cache=tmp_path)
    assert max(skill.value for skill in situation.skills) == 1.0
    assert not any("training" in skill.name or "tuning" in skill.name for skill in situation.skills)
    assert situation.decision in ("head", "early head")
    assert situation.cost < 0.05


def test_forced_ways_measure_only_what_they_need(trained: nn.Module, tmp_path: Path) -> None:
    few = stripes(120, 4, 2)
    scratch = measure_situation(trained, few, force="scratch", cache=tmp_path)
    assert (scratch.decision, scratch.skills, scratch.cost) == ("scratch", (), 0.0)
    head = measure_situation(trained, few, force="head", cache=tmp_path)
    assert head.layer == "before 15"
    assert not any("training" in skill.name for skill in head.skills)
    with pytest.raises(ArgumentError, match=r"no way to transfer 'finetune'.*Did you mean 'fine-tune'"):
        measure_situation(trained, few, force="finetune", cache=tmp_path)
    with pytest.raises(ArgumentError, match="cost of deciding"):
        measure_situation(trained, few, share=0.0, cache=tmp_path)
    with pytest.raises(ArgumentError, match="cannot take inputs"):
        measure_situation(nn.Sequential(nn.Flatten(), nn.Linear(5, 5), nn.Linear(5, 2)), few, cache=tmp_path)


def test_little_time_uses_fewer_rows_and_no_training(trained: nn.Module, tmp_path: Path) -> None:
    situation = measure_situation(trained, stripes(900, 4, 3), epochs=2, share=0.2, cache=tmp_path)
    rows = {skill.detail.split(",")[1].strip() for skill in situation.skills if skill.name.startswith("new head")}
    assert all(int(each.split()[0]) < 630 for each in rows)
    assert situation.cost <= 0.25


def test_the_network_that_goes_on_is_the_one_that_was_tried(trained: nn.Module, tmp_path: Path) -> None:
    few = stripes(120, 4, 2)
    attempts = Attempts(trained, few, cache=tmp_path)
    attempts.heads(1000)
    network = attempts.network("fine-tune").eval()
    prepared = few.schema.inputs.preparer(torch.device("cpu"))(torch.tensor(few.valid.inputs))
    with torch.no_grad():
        live = torch.softmax(network(prepared), 1)
    kept = next(each for each in attempts.candidates if each.strategy == "head").predictions
    torch.testing.assert_close(live, kept, rtol=5e-3, atol=5e-3)  # half precision against live features
    scratch = attempts.network("scratch")
    assert not torch.equal(next(scratch.parameters()), next(trained.parameters()))


@pytest.mark.parametrize("task", ["labels", "number"])
def test_labels_and_numbers_are_decided_too(task: str, trained: nn.Module, tmp_path: Path) -> None:
    four = stripes(240, 4, 2)
    pictures = np.concatenate([part.inputs for part in (four.train, four.valid, four.test)])
    classes = np.concatenate([part.targets for part in (four.train, four.valid, four.test)])
    if task == "labels":
        targets = np.stack([classes < 2, classes % 2 == 1], 1).astype(int)
    else:
        targets = 100 + 20.5 * classes + np.random.default_rng(0).normal(0, 1, len(classes))
    made = data.load(pictures, targets, task=task)
    situation = measure_situation(trained, made, epochs=20, cache=tmp_path)
    named = {skill.name: skill for skill in situation.skills}
    late, chosen = named["new head on late features"], situation.decision
    assert chosen in STRATEGIES
    if task == "labels":
        assert situation.metric == "average_precision"
        assert late.value > 0.7
    else:
        assert situation.metric == "mae"
        assert late.value < 20  # what the middle of the targets would miss by
        best = min(skill.value for name, skill in named.items() if not name.startswith("nearest"))
        assert f"reached {best:.3f}" in situation.reason


def test_pictures_with_other_channels(trained: nn.Module, tmp_path: Path) -> None:
    grey = stripes(120, 4, 2)
    pictures = np.concatenate([part.inputs for part in (grey.train, grey.valid, grey.test)])
    classes = np.concatenate([part.targets for part in (grey.train, grey.valid, grey.test)])
    coloured = data.load(pictures.repeat(3, 3) // np.array([1, 2, 4], np.uint8), classes)
    situation = measure_situation(trained, coloured, epochs=20, channels=1, cache=tmp_path)
    assert next(skill.value for skill in situation.skills if skill.name == "new head on late features") > 0.5
    with pytest.raises(ArgumentError, match="cannot take inputs"):
        measure_situation(trained, coloured, cache=tmp_path)
