"""Whether answers for a row are held against its own targets."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose import check, watch
from leadline.diagnose.checks.paired_rows import read_foreign
from leadline.diagnose.subject import Rows, Subject, joined
from leadline.diagnose.trials.samples import a_subject

TIME, TAGS = 7, 3


class Tagger(nn.Module):
    """(N, T) words → (T, N, K) scores."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words, self.tags = nn.Embedding(12, 8), nn.Linear(8, TAGS)

    def forward(self, words: Tensor) -> Tensor:
        return self.tags(self.words(words.t()))  # type: ignore[no-any-return]


def in_order(outputs: Tensor, tags: Tensor) -> Tensor:
    return F.cross_entropy(outputs.reshape(-1, TAGS), tags.t().reshape(-1))


def in_another(outputs: Tensor, tags: Tensor) -> Tensor:
    return F.cross_entropy(outputs.reshape(-1, TAGS), tags.reshape(-1))


def sentences(count: int) -> tuple[Tensor, Tensor]:
    words = torch.randint(12, (count, TIME), generator=torch.Generator().manual_seed(0))
    return words, words % TAGS


@pytest.mark.parametrize(("loss", "foreign"), [(in_order, False), (in_another, True)])
def test_outputs_and_tags_that_are_flattened(loss: Callable[[Tensor, Tensor], Tensor], foreign: bool) -> None:
    words, tags = sentences(800)
    model = Tagger()
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    with watch(model, optimizer, loss=loss, valid=(words[700:], tags[700:])) as probe:
        for epoch in range(3):
            for part in torch.randperm(700, generator=torch.Generator().manual_seed(epoch)).split(20):
                optimizer.zero_grad()
                value = loss(model(words[part]), tags[part])
                value.backward()
                optimizer.step()
                probe.step(value, words[part], tags[part])
    verdict = probe.findings(confirm=0)
    assert [each.kind for each in verdict][:1] == (["input_ignored"] if foreign else [])
    assert (probe.readings.graph.foreign or 0.0) > 0.8 if foreign else probe.readings.graph.foreign == 0
    assert probe.readings.last.valid is not None
    assert not any(each.startswith("last step") for each in verdict.unchecked)


def test_it_is_said_before_the_first_step() -> None:
    words, tags = sentences(300)
    model = Tagger()
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for loss, kinds in ((in_order, []), (in_another, ["input_ignored"])):
        assert [each.kind for each in check(model, (words, tags), loss=loss, optimizer=optimizer, seconds=0.5)] == kinds


def subject_with(loss: Callable[[Tensor, Tensor], Tensor], **settings: object) -> Subject:
    return a_subject(loss=loss, steps=3, **settings)  # type: ignore[arg-type]


def mixed(outputs: Tensor, targets: Tensor) -> Tensor:
    order = torch.randperm(len(targets))
    return 0.7 * F.cross_entropy(outputs, targets) + 0.3 * F.cross_entropy(outputs, targets[order])


def weighted(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs, targets, weight=torch.tensor([30.0, 1.0, 1.0]))


def pairwise(outputs: Tensor, targets: Tensor) -> Tensor:
    """Rows of one class near to each other, others apart."""
    apart, alike = torch.cdist(outputs, outputs), targets[:, None] == targets[None]
    return torch.where(alike, apart, F.relu(1 - apart)).mean()


def ranking(outputs: Tensor, targets: Tensor) -> Tensor:
    """Risks of events in the order of their times, each against all that come later."""
    risk = outputs[:, 0][targets.float().argsort(descending=True)]
    return (risk.logcumsumexp(0) - risk).mean()


@pytest.mark.parametrize("loss", [mixed, weighted, pairwise, ranking])
def test_losses_over_several_rows_are_told_from_it(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    assert (read_foreign(subject_with(loss)) or 0.0) < 0.7


def test_targets_that_are_all_alike_tell_nothing() -> None:
    rows = Rows(torch.randn(60, 6), torch.zeros(60, dtype=torch.long))
    assert read_foreign(subject_with(F.cross_entropy, rows=rows)) is None


def test_rows_along_the_second_dimension_are_joined_there() -> None:
    assert joined([torch.zeros(7, 4, 2), torch.zeros(7, 3, 2)], [4, 3]).shape == (7, 7, 2)
    assert joined([torch.zeros(4, 4), torch.zeros(4, 4)], [4, 4]).shape == (8, 4)
