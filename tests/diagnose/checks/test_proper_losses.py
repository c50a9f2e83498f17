"""A loss of shares that wants logarithms and gets none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose import watch

Loss = Callable[[Tensor, Tensor], Tensor]
LOSSES: dict[str, tuple[Loss, list[nn.Module], bool]] = {
    "no logarithm in the loss": (lambda out, y: F.kl_div(out.softmax(1), y, reduction="batchmean"), [], True),
    "no logarithm in the network": (nn.KLDivLoss(reduction="batchmean"), [nn.Softmax(dim=1)], True),
    "a divergence": (lambda out, y: F.kl_div(out.log_softmax(1), y, reduction="batchmean"), [], False),
    "at a temperature": (lambda out, y: 4 * F.kl_div((out / 2).log_softmax(1), y, reduction="batchmean"), [], False),
    "logarithms from the network": (nn.KLDivLoss(reduction="batchmean"), [nn.LogSoftmax(dim=1)], False),
    "likeness": (lambda out, y: -F.cosine_similarity(out.softmax(1), y).mean(), [], False),
    "cross entropy": (F.cross_entropy, [], False),
    "squares": (lambda out, y: (out.softmax(1) - y).square().sum(1).mean(), [], False),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_divergence_of_what_is_no_logarithm(name: str) -> None:
    loss_of, ends, wrong = LOSSES[name]
    torch.manual_seed(0)
    x = torch.randn(200, 5)
    y = (2 * x[:, :3]).softmax(1)
    model = nn.Sequential(nn.Linear(5, 3), *ends)
    optimizer = torch.optim.SGD(model.parameters(), 0.2)
    with watch(model, optimizer, loss=loss_of) as probe:
        for at in torch.arange(200).repeat(6).split(20):
            loss = loss_of(model(x[at]), y[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            probe.step(loss, x[at], y[at])
    codes = [each.kind for each in probe.findings(confirm=0) if each.kind == "head_or_loss_wrong"]
    assert codes == (["head_or_loss_wrong"] if wrong else [])
    assert any(each["code"] == "divergence_without_logarithm" for each in probe.readings.graph.problems) == wrong
