"""Whether a network reads the answer of a step before it gives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose import watch
from leadline.diagnose.checks.steps_in_sight import read_sight
from leadline.diagnose.subject import GIVEN_ALONG, Rows, Subject

TOKENS = torch.randint(7, (30, 9), generator=torch.Generator().manual_seed(0))


class Reader(nn.Module):
    """Goes through tokens in one direction or in both."""

    def __init__(self, *, both: bool = False) -> None:
        super().__init__()
        self.embed, self.rnn = nn.Embedding(7, 6), nn.GRU(6, 8, batch_first=True, bidirectional=both)
        self.out = nn.Linear(16 if both else 8, 7)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.out(self.rnn(self.embed(tokens))[0])


class Teller(nn.Module):
    """Reads a source, and goes through what it is told."""

    def __init__(self, *, looks_ahead: bool = False) -> None:
        super().__init__()
        self.reader, self.writer = Reader(), Reader(both=looks_ahead)

    def forward(self, source: Tensor, told: Tensor) -> Tensor:
        return self.writer(told) + self.reader(source)[:, -1:]


def cross(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs.movedim(2, 1), targets)


def told(model: nn.Module, inputs: dict[str, Any]) -> Tensor:
    return model(inputs["source"], {**inputs, **inputs.get(GIVEN_ALONG, {})}["told"])


def sight(model: nn.Module, rows: Rows, loss: Any = cross, call: Callable[[nn.Module, Any], Any] | None = None) -> str:
    subject = Subject(model, loss, (), rows, **({"call": call} if call else {}))
    return read_sight(subject).kind


def test_only_a_network_that_looks_ahead_sees_the_next_token() -> None:
    torch.manual_seed(0)
    following = Rows(TOKENS[:, :-1], TOKENS[:, 1:])
    assert sight(Reader(both=True), following) == "next"
    assert not sight(Reader(), following)
    # Labels of places may be told from both sides, and tokens that were said before too.
    assert not sight(Reader(both=True), Rows(TOKENS, (TOKENS * 3 + 1) % 7))
    assert not sight(Reader(both=True), Rows(TOKENS[:, 1:], TOKENS[:, :-1]))


def test_a_loss_that_moves_targets_itself_does_not_hold_them_against_their_own_step() -> None:
    torch.manual_seed(0)

    def moved(outputs: Tensor, targets: Tensor) -> Tensor:
        return cross(outputs[:, :-1], targets[:, 1:])

    rows = Rows({"source": TOKENS.flip(1), GIVEN_ALONG: {"told": TOKENS}}, TOKENS)
    assert not sight(Teller(), rows, moved, told)
    assert sight(Teller(), rows, cross, told) == "own"


def test_what_is_rebuilt_is_no_answer_that_was_given_away() -> None:
    torch.manual_seed(0)
    assert not sight(Reader(both=True), Rows(TOKENS, TOKENS))
    # With a style beside it, such a network still reads all that it is to rebuild.
    assert not sight(Teller(looks_ahead=True), Rows({"source": TOKENS.flip(1), "told": TOKENS}, TOKENS), cross, told)


@pytest.mark.parametrize("given", [True, False])
def test_a_decoder_that_is_told_its_answers_is_found_without_the_loss(given: bool) -> None:
    torch.manual_seed(0)
    model = Teller()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    with watch(model, optimizer) as probe:
        for at in torch.arange(30).repeat(4).split(10):
            source, target = TOKENS[at].flip(1), TOKENS[at]
            output = model(source, target if given else F.pad(target[:, :-1], (1, 0)))
            loss = F.cross_entropy(output.reshape(-1, 7), target.reshape(-1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            probe.step(loss, source, target)
    verdict = probe.findings(confirm=0)
    assert [each.kind for each in verdict if each.confirmed] == (["split_mismatch"] if given else [])
