"""Labels that are learned by heart are told by how their rows were answered before."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose import Probe, watch
from leadline.diagnose.row_courses import RowCourse


def trained(
    inputs: Tensor, labels: Tensor, *, epochs: int, valid: tuple[Tensor, Tensor] | None = None
) -> tuple[nn.Module, Probe]:
    """A perceptron that is wide enough to learn every row by heart."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = torch.optim.Adam(model.parameters(), 6e-3)
    with watch(model, optimizer, loss=F.cross_entropy, valid=valid, share=0.9) as probe:
        for _ in range(epochs):
            for batch in torch.randperm(len(inputs)).split(32):
                loss = F.cross_entropy(model(inputs[batch]), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs[batch], labels[batch])
    return model, probe


def digits(wrong: float) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, labels of which a share is wrong, and which are."""
    data, target = load_digits(return_X_y=True)
    inputs, labels = torch.tensor(data[:500] / 16, dtype=torch.float32), torch.tensor(target[:500])
    drawn = torch.Generator().manual_seed(1)
    which = torch.rand(500, generator=drawn) < wrong
    others = (labels + torch.randint(1, 10, (500,), generator=drawn)) % 10
    return inputs, torch.where(which, others, labels), which


def test_labels_that_were_learned_by_heart_are_listed() -> None:
    inputs, labels, wrong = digits(0.15)
    model, probe = trained(inputs, labels, epochs=40)
    rows = (subject := probe.subject()) and subject.train
    assert rows is not None
    listed = probe.looks.rows.suspicious(rows)
    # Of the rows that are looked at, 256, some 38 carry a wrong label, and at the end the network repeats nearly all of them.
    assert float((model(inputs).argmax(1) == labels).float().mean()) > 0.97
    at = [int((inputs == rows.inputs[each["row"]]).all(1).nonzero()[0]) for each in listed]
    assert len(at) > 20
    assert float(wrong[at].float().mean()) > 0.9
    assert all(each["label"] == int(labels[place]) != each["likelier"] for each, place in zip(listed, at, strict=True))


def test_of_clean_labels_hardly_any_is_listed() -> None:
    inputs, labels, _ = digits(0.0)
    _, probe = trained(inputs, labels, epochs=10)
    subject = probe.subject()
    assert subject is not None
    assert probe.looks.rows.looks > 3
    assert len(probe.looks.rows.suspicious(subject.train)) <= 2


def test_numbers_have_no_classes() -> None:
    inputs = torch.randn(300, 3, generator=torch.Generator().manual_seed(0))
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watch(model, optimizer, loss=F.mse_loss, share=0.9) as probe:
        for _ in range(30):
            loss = F.mse_loss(model(inputs), inputs[:, :1])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            probe.step(loss, inputs, inputs[:, :1])
    assert probe.looks.rows.looks == 0
    assert probe.looks.rows.over  # they are not looked at again
    assert not probe.missed


def test_where_single_rows_cannot_be_looked_at_all_else_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("rows of another kind")

    monkeypatch.setattr(RowCourse, "judge", failing)
    monkeypatch.setattr(RowCourse, "suspicious", failing)
    inputs, labels, _ = digits(0.0)
    _, probe = trained(inputs, labels, epochs=2, valid=(inputs[:50], labels[:50]))
    assert len(probe.readings.steps.valid) > 2
    assert probe.findings(confirm=0).unchecked == ("training rows while it trained, labels by heart: rows of another kind",)
