"""The perceptron: the linear model before it has learnt anything, and Rosenblatt's rule as its way of stepping."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.models.linear_models import linear
from leadline.models.mistakes import Pocket, learn_classes, learn_unit

# Rows whose scores are kept up to date while the rule goes through them: the table of their products is this squared.
_BLOCK = 128


def perceptron(shape: Sequence[int], outputs: int) -> nn.Module:
    """Outputs = W·x + b with W = 0 and b = 0, for `PerceptronRule`, or for the loss `perceptron` with sgd.

    With that loss and batches of 1 a step of rate η adds η·x to the weights of the right class and takes η·x from its strongest
    rival: the same rule, apart from rivals that tie, who share it.

    Shapes: [B, *shape] → [B, outputs]; (∏shape + 1) · outputs parameters.

    Example:
        >>> import torch
        >>> perceptron((2,), 2)(torch.ones(1, 2))
        tensor([[0., 0.]], grad_fn=<AddmmBackward0>)

    Source: Rosenblatt (1958), The perceptron.
    """
    model = linear(shape, outputs)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


class PerceptronRule:
    """A step that learns from mistakes alone, row after row: w ← w + η y x and b ← b + η y where y (w·x + b) ≤ 0.

    That is for one output, whose y is −1 for class 0 and +1 for class 1. With K outputs the right class gains η x and the
    strongest other class loses it, where the right one does not stand above all others. A tie is a mistake, else nothing would
    ever start from weights of 0. Rows of a batch are taken in their order, so the size of a batch changes nothing.

    The pocket keeps the weights that served best, for classes that no plane parts. Tried are those with the eight longest runs
    of right rows since the last time, and the present ones. With `rows`, the weights that have most of them right go into the
    pocket if they beat what is there (the ratchet); they are counted when `evaluating()` is entered, as the loop does after
    each epoch. Without `rows` there is nothing to count, and the longest run of all wins.

    On a GPU the scores of each block of 128 rows are fetched, because each row must wait for the mistakes before it.

    Args:
        model: layers without parameters, then one `nn.Linear`; changed in place.
        rate: η, above 0. Where the weights start from 0 it changes their length and no decision.
        rows: inputs and class numbers of all training rows.

    Errors: `ArgumentError` for another model, a rate not above 0, rows or batches that do not fit.

    Example:
        >>> model = perceptron((2,), 1)
        >>> step = PerceptronRule(model)
        >>> logs = step((torch.tensor([[1.0, 2.0], [-1.0, 0.5], [2.0, 1.0]]), torch.tensor([1, 0, 1])), None)
        >>> {name: round(value.item(), 2) for name, value in logs.items()}
        {'loss': 0.33, 'mistakes': 0.67, 'accuracy': 0.33}
        >>> model[1].weight.tolist(), model[1].bias.tolist()
        ([[2.0, 1.5]], [0.0])

    Source: Rosenblatt (1958), The perceptron; Gallant (1990), Perceptron-based learning algorithms, for the pocket.
    """

    def __init__(self, model: nn.Module, *, rate: float = 1.0, rows: tuple[Tensor, Tensor] | None = None) -> None:
        if not 0 < rate < math.inf:
            raise ArgumentError("The rate of the perceptron rule is out of range", expected="a number above 0", got=rate)
        self.model, self.rate, self.rows = model, rate, rows
        self._before, self._linear = _parts(model)
        self._pocket = Pocket()
        self._epoch, self._seen, self._mistakes, self._settled = -1, 0, 0, False
        if rows is not None:
            self._checked(*rows)

    @torch.no_grad()
    def __call__(self, batch: tuple[Tensor, Tensor], progress: Any) -> dict[str, Tensor]:
        x, targets = self._checked(*batch)
        epoch = getattr(progress, "epoch", 0)
        if self._settled or epoch != self._epoch:
            self._epoch, self._seen, self._mistakes, self._settled = epoch, 0, 0, False
        loss, mistakes = 0.0, 0
        for part, answers in zip(torch.split(x, _BLOCK), torch.split(targets, _BLOCK), strict=True):
            behind, wrong = self._learn(part, answers)
            loss, mistakes = loss + behind, mistakes + wrong
        self._seen, self._mistakes = self._seen + len(x), self._mistakes + mistakes
        share = mistakes / len(x)
        logs = {"loss": loss / len(x), "mistakes": share, "accuracy": 1 - share}
        return {name: torch.tensor(value, device=x.device) for name, value in logs.items()}

    def _learn(self, x: Tensor, targets: Tensor) -> tuple[float, int]:
        """Go through one block of rows; the sum of their losses, each at its turn, and how many were mistakes."""
        weight, bias = self._linear.weight, self._linear.bias
        scores, products = self._linear(x), x @ x.T
        if bias is not None:
            products += 1
        learn = learn_unit if weight.shape[0] == 1 else learn_classes
        block = learn(scores.cpu().numpy(), products.cpu().numpy(), targets.cpu().numpy(), self.rate)
        gains = torch.from_numpy(block.gains).to(x)
        self._pocket.watch(block.at, len(x), lambda row: self._present_with(x[:row], gains[:row]))
        if block.at:
            self._put(self._present_with(x, gains))
        return float((-block.lead).clip(0).sum()), len(block.at)

    def finished(self) -> str | None:
        """A reason to stop once an epoch had no mistake, for a callback to return at `evaluated`; else None.

        Example:
            >>> step = PerceptronRule(perceptron((1,), 2))
            >>> for _ in range(2):
            ...     _ = step((torch.tensor([[1.0]]), torch.tensor([1])), None)
            ...     with step.evaluating():
            ...         print(step.finished())
            None
            no row of the epoch was a mistake
        """
        return "no row of the epoch was a mistake" if self._seen and not self._mistakes else None

    @property
    def pocket(self) -> list[Tensor]:
        """The weights (and the bias) in the pocket, as of the last `evaluating()`; empty before the first."""
        return self._pocket.best

    @property
    def right(self) -> int:
        """How many of `rows` the pocket has right; −1 where they were never counted."""
        return self._pocket.right

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Within the block the model has the weights of the pocket."""
        if self._seen and not self._settled:
            self._pocket.settle(self._present(), None if self.rows is None else self._count)
            self._settled = True
        was_training, present = self.model.training, [weight.detach().clone() for weight in self._present()]
        self.model.eval()
        self._put(self._pocket.best)
        try:
            yield
        finally:
            self._put(present)
            self.model.train(was_training)

    def state(self) -> dict[str, Any]:
        counts = [self._epoch, self._seen, self._mistakes, int(self._settled)]
        return {"model": self.model.state_dict(), "pocket": self._pocket.state(), "counts": counts}

    def load(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self._pocket.load(state["pocket"])
        self._epoch, self._seen, self._mistakes, settled = state["counts"]
        self._settled = bool(settled)

    def modules(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    @torch.no_grad()
    def _count(self, weights: list[Tensor]) -> int:
        """How many of all rows stand on the right side under these weights."""
        assert self.rows is not None
        x, targets = self._checked(*self.rows)
        scores = nn.functional.linear(x, *(weight.to(x) for weight in weights))
        if scores.shape[1] == 1:
            return int(((2 * targets - 1) * scores[:, 0] > 0).sum())
        own = targets[:, None]
        return int((scores.gather(1, own)[:, 0] > scores.scatter(1, own, -math.inf).amax(dim=1)).sum())

    def _present(self) -> list[Tensor]:
        bias: Tensor | None = self._linear.bias
        return [self._linear.weight] if bias is None else [self._linear.weight, bias]

    def _present_with(self, x: Tensor, gains: Tensor) -> list[Tensor]:
        """The present weights with what some rows add to them."""
        added = [gains.T @ x, gains.sum(dim=0)]
        return [weight.detach() + gain for weight, gain in zip(self._present(), added, strict=False)]

    @torch.no_grad()
    def _put(self, weights: list[Tensor]) -> None:
        for parameter, weight in zip(self._present(), weights, strict=False):
            parameter.copy_(weight)

    def _checked(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """What the linear layer sees of these inputs, and their class numbers."""
        with torch.no_grad():
            x: Tensor = self._before(inputs)
        classes = max(2, self._linear.out_features)
        if x.ndim != 2 or x.shape[1] != self._linear.in_features or targets.shape != x.shape[:1] or not len(x):
            raise ArgumentError(
                "The rows do not fit the perceptron",
                expected=f"inputs that become [N, {self._linear.in_features}], and class numbers [N]",
                got=f"{list(x.shape)} and {list(targets.shape)}",
            )
        if targets.is_floating_point() or not 0 <= int(targets.min()) <= int(targets.max()) < classes:
            raise ArgumentError(
                "A target is no class of this perceptron",
                expected=f"whole numbers from 0 to {classes - 1}",
                got=f"{targets.dtype} from {targets.min().item()} to {targets.max().item()}",
            )
        return x.to(self._linear.weight.dtype), targets.long()


def _parts(model: nn.Module) -> tuple[nn.Sequential, nn.Linear]:
    """What stands before the linear layer, which must have nothing to learn, and that layer."""
    layers = [layer for layer in model.modules() if not list(layer.children())]
    nested = all(isinstance(layer, nn.Sequential) for layer in model.modules() if list(layer.children()))
    last = layers[-1]
    if not nested or not isinstance(last, nn.Linear) or any(list(layer.parameters()) for layer in layers[:-1]):
        raise ArgumentError(
            "The perceptron rule cannot train this network",
            expected="layers without parameters and then one nn.Linear, as models.perceptron builds",
            got=type(model).__name__,
            do="Train it with the loss perceptron instead.",
        )
    return nn.Sequential(*layers[:-1]), last
