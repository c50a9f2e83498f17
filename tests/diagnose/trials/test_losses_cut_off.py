"""A loss that is cut off from the network in the loop: copies do not learn either, until that is mended."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leadline.diagnose import watch
from leadline.diagnose.probing import Probe
from leadline.diagnose.trials.changes import change_copy
from leadline.diagnose.trials.copied_training import CopiedTraining, copy_of
from leadline.diagnose.trials.habits import habits_of
from leadline.diagnose.trials.samples import a_subject


class Cut(nn.Module):
    """Its answers have no graph."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).detach()


def watched(model: nn.Module, *, anew: bool = True) -> Probe:
    """A training with a loss that is made anew of its value, or of outputs that are."""
    torch.manual_seed(0)
    x = torch.randn(300, 6)
    y = (x[:, 0] + x[:, 1] > 0).long()
    optimizer, criterion = torch.optim.Adam(model.parameters(), 0.02), nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=(x[200:], y[200:])) as probe:
        for _ in range(8):
            for inputs, targets in zip(x[:200].split(20), y[:200].split(20), strict=True):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss = torch.tensor(loss.item(), requires_grad=True) if anew else loss
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    return probe


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))


def a_copy(probe: Probe) -> CopiedTraining:
    subject = probe.subject()
    assert subject is not None
    assert subject.valid is not None
    subject.task, subject.classes = "classes", 2
    return copy_of(subject, habits_of(subject, probe.readings), (subject.train, subject.valid), readings=probe.readings)


def test_a_copy_with_the_loss_itself_proves_what_is_wrong() -> None:
    probe = watched(network())
    first = probe.findings(confirm=4)[0]
    assert (first.kind, first.confirmed) == ("not_training", True)
    assert first.tried.startswith("Confirmed: with the gradient of the loss itself")
    assert "loss.backward()" in first.remedy.code


def test_a_copy_stands_as_the_training_did_until_it_is_connected() -> None:
    probe = watched(network())
    probe.findings(confirm=0)
    copied = a_copy(probe)
    before = [each.clone() for each in copied.model.parameters()]
    copied.run(20)
    assert all(torch.equal(one, other) for one, other in zip(before, copied.model.parameters(), strict=True))
    assert change_copy(copied, "connected") == ""
    copied.run(20)
    assert not torch.equal(before[0], next(copied.model.parameters()))


def test_what_is_cut_within_the_network_is_cut_in_a_copy_too() -> None:
    probe = watched(Cut())
    probe.findings(confirm=0)
    assert change_copy(a_copy(probe), "connected") == "its loss is cut off from the network in a copy as well"


def test_what_learns_is_connected() -> None:
    subject = a_subject()
    assert subject.valid is not None
    copied = copy_of(subject, habits_of(subject), (subject.train, subject.valid))
    assert change_copy(copied, "connected") == "its weights get gradients already"
    assert habits_of(subject, watched(network(), anew=False).readings).learns
