"""Steps from which no gradient comes, and whether what stands there tells more than the rest."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from leadline.diagnose import watch
from leadline.diagnose.check_readings import Reach
from leadline.diagnose.checks.reach_in_time import read_reach
from leadline.diagnose.readings import Judged, Readings
from leadline.diagnose.rules.judging import judge_readings
from leadline.diagnose.subject import Rows
from leadline.diagnose.trials.samples import a_subject

STEPS = 12


def marks(count: int) -> Rows:
    """Which of three marks stands at the first step; noise on two other channels at all steps."""
    kind = torch.arange(count) % 3
    x = torch.zeros(count, STEPS, 5)
    x[:, :, 3:] = torch.randn(count, STEPS, 2, generator=torch.Generator().manual_seed(0))
    x[torch.arange(count), 0, kind] = 1
    return Rows(x, kind)


class Stepped(nn.Module):
    """A cell that is stepped by hand, over numbers or embedded tokens."""

    def __init__(self, *, detached: bool, tokens: int = 0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(tokens, 5) if tokens else nn.Identity()
        self.cell, self.out, self.detached = nn.GRUCell(5, 16), nn.Linear(16, 3), detached

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.zeros(len(x), 16)
        for step in self.words(x).unbind(1):
            hidden = self.cell(step, hidden.detach() if self.detached else hidden)
        return self.out(hidden)  # type: ignore[no-any-return]


def test_a_state_that_is_detached_cuts_all_steps_but_the_last() -> None:
    reach = read_reach(a_subject(Stepped(detached=True), rows=marks(400), steps=20))
    assert (reach.length, reach.unreached, reach.cut) == (STEPS, STEPS - 1, True)
    assert reach.within is not None
    assert reach.beyond is not None
    assert reach.beyond < 0.1 < 0.5 < reach.within


def test_of_tokens_the_embedded_ones_are_looked_at() -> None:
    rows = Rows(torch.randint(8, (400, STEPS)), torch.arange(400) % 3)
    assert read_reach(a_subject(Stepped(detached=True, tokens=8), rows=rows, steps=5)).unreached == STEPS - 1
    assert not read_reach(a_subject(Stepped(detached=False, tokens=8), rows=rows, steps=5)).cut


@pytest.mark.parametrize("detached", [True, False])
def test_a_program(detached: bool) -> None:
    both = marks(600)
    model = Stepped(detached=detached)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    valid = both.take(slice(400, None))
    with watch(model, optimizer, loss=nn.functional.cross_entropy, valid=(valid.inputs, valid.targets)) as probe:
        for epoch in range(10):
            for part in torch.randperm(400, generator=torch.Generator().manual_seed(epoch)).split(40):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(both.inputs[part]), both.targets[part])
                loss.backward()
                optimizer.step()
                probe.step(loss, both.inputs[part], both.targets[part])
    kinds = [finding.kind for finding in probe.findings(confirm=0)]
    assert kinds[:1] == (["memory_too_short"] if detached else [])


@pytest.mark.parametrize(
    ("error", "within", "beyond", "proven"),
    [
        (0.66, 0.65, 0.02, True),
        (0.66, 0.30, 0.02, False),  # of what is reached it knows nothing either
        (0.66, 0.02, 0.30, None),  # what is reached tells more
        (0.04, 0.65, 0.02, None),  # it has learned it
    ],
)
def test_what_the_unreached_steps_must_tell(error: float, within: float, beyond: float, proven: bool | None) -> None:
    readings = Readings()
    readings.program.task, readings.program.classes, readings.answers.counts = "classes", 3, [100] * 3
    readings.last.valid = Judged(300, 1.1, error, 0.01, 0.03)
    readings.beside.valid_error = {"constant": 0.667, "linear": min(within, beyond)}
    readings.reach = Reach(50, 40, within=within, within_se=0.03, beyond=beyond, beyond_se=0.01)
    found = [each for each in judge_readings(readings) if each.kind == "memory_too_short"]
    assert [each.confirmed for each in found] == ([] if proven is None else [proven])
