"""Is the backward pass right? Every gradient against central differences in float64."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from leadline.errors import ArgumentError, LeadlineError
from leadline.explain.central_differences import Verdict, judge
from leadline.explain.gradient_results import GradientCheck, GradientEntry, TensorCheck
from leadline.explain.overwriting import overwritten
from leadline.explain.tracing import check_shaped

_WORST = 3


def gradient_check(
    module: nn.Module,
    inputs: Tensor | Sequence[Any],
    loss: Callable[[Any], Tensor] | None = None,
    *,
    entries: int = 2000,
    tolerance: float = 1e-5,
    seed: int = 0,
) -> GradientCheck:
    """Compare the gradients of a network, or of any piece of one, with what small changes of each number do to the loss.

    For each parameter and input: |a − n| / max(|a|, |n|), where a is what the backward pass gives and
    n = (L(x + h) − L(x − h)) / 2h, in float64 on a copy, h = 6·10⁻⁶·max(1, |x|). Numbers at a kink of the loss (the two
    one-sided differences disagree, and a is one of them or between them) have no derivative and are counted apart. Each
    evaluation begins with the same random numbers and the same buffers, so dropout is held; layers stay in their mode.

    Args:
        module: what is checked; neither it nor its gradients change.
        inputs: what it is called with: a tensor, or several things of which the tensors of floats are checked, too.
        loss: from the output to one number; when left out, a sum of all outputs with random weights.
        entries: of a tensor with more numbers than this, so many are checked, chosen at random.
        tolerance: of the relative error.
        seed: of the choice, of the weights of the sum, and of what the module draws.

    Errors: `ArgumentError` for a network that cannot take the inputs, a loss that is not one number, or nothing to check.

    Example:
        >>> check = gradient_check(nn.Sequential(nn.Linear(3, 4), nn.Tanh()), torch.randn(2, 3))
        >>> check.ok, [each.name for each in check.tensors], check.checked
        (True, ['0.weight', '0.bias', 'input'], 22)

    Source: central differences and their step: Press et al. (2007), Numerical recipes, section 5.7.
    """
    if entries < 1 or not tolerance > 0:
        raise ArgumentError(
            "The gradients cannot be checked like this", expected="entries ≥ 1, tolerance > 0", got=(entries, tolerance)
        )
    with _preserved():
        doubled = _Doubled(module, inputs, loss, seed)
        if not doubled.tensors:
            raise ArgumentError("There is nothing to check", expected="parameters with gradients, or inputs of floats")
        failure = doubled.differentiate()
        if failure:
            return GradientCheck((), tolerance, failure)
        generator = torch.Generator().manual_seed(seed)
        checks = [_check(doubled, name, entries, tolerance, generator) for name in doubled.tensors]
    return GradientCheck(tuple(checks), tolerance)


class _Doubled:
    """A copy of a network and its inputs in float64, whose loss can be asked for again and again."""

    def __init__(
        self, module: nn.Module, inputs: Tensor | Sequence[Any], loss: Callable[[Any], Tensor] | None, seed: int
    ) -> None:
        check_shaped(module)
        try:
            self.module = copy.deepcopy(module).double()
        except RuntimeError as error:
            raise ArgumentError("The network cannot be copied", got=str(error).splitlines()[0]) from error
        given = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        self.inputs = [_double(each) for each in given]
        self.loss, self.seed = loss or functools.partial(_mixed, seed=seed), seed
        self.buffers = {name: each.clone() for name, each in self.module.named_buffers()}
        floats = [each for each in self.inputs if isinstance(each, Tensor) and each.is_floating_point()]
        names = ["input"] if len(floats) == 1 else [f"input {at}" for at, each in enumerate(self.inputs) if _is_float(each)]
        self.tensors: dict[str, Tensor] = {
            name: each for name, each in self.module.named_parameters() if each.requires_grad and each.numel()
        }
        for each in floats:
            each.requires_grad_()
        self.tensors |= {name: each for name, each in zip(names, floats, strict=True) if each.numel()}
        self.gradients: dict[str, Tensor | None] = {}
        self.here = math.nan

    def value(self) -> Tensor:
        """The loss, always with the same random numbers and the same buffers."""
        torch.manual_seed(self.seed)
        if self.buffers:
            with torch.no_grad():
                for name, each in self.module.named_buffers():
                    each.copy_(self.buffers[name])
        # Views of the inputs: what a layer writes in place must not change them.
        output = self.module(*(each.clone() if isinstance(each, Tensor) else each for each in self.inputs))
        try:
            loss = self.loss(output)
        except (TypeError, ValueError, RuntimeError, IndexError) as error:
            if isinstance(error, LeadlineError):
                raise
            shape = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ArgumentError(
                "The loss cannot take the network's output",
                expected="a function of the output alone: targets belong into it, as in lambda y: F.cross_entropy(y, targets)",
                got=f"{shape} ({str(error).strip().splitlines()[0]})",
            ) from error
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            got = list(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
            raise ArgumentError("The loss is not one number", expected="a tensor of one element", got=got)
        return loss

    def number(self) -> float:
        with torch.no_grad():
            return self.value().item()

    def differentiate(self) -> str:
        """Find the gradients; what is in the way of it, or an empty text."""
        try:
            self.here, again = self.number(), self.number()
            loss = self.value()
        except LeadlineError:
            raise
        except Exception as error:
            shapes = " and ".join(str(list(each.shape)) for each in self.inputs if isinstance(each, Tensor))
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ArgumentError(f"The network cannot take inputs of shape {shapes} in float64", got=first) from error
        if not math.isfinite(self.here):
            return f"the loss is {self.here}, so nothing can be compared"
        if again != self.here:
            return f"two evaluations with the same random numbers differ ({self.here:.17g} and {again:.17g})"
        if not loss.requires_grad:
            self.gradients = dict.fromkeys(self.tensors)
            return ""
        try:
            found = torch.autograd.grad(loss, list(self.tensors.values()), allow_unused=True)
        except RuntimeError as error:
            first = str(error).strip().splitlines()[0].split(" Hint:")[0].rstrip(".")
            where = overwritten(self.module, self.value) if "inplace" in first or "in-place" in first else ""
            return f"{where}. PyTorch says: {first}." if where else f"the backward pass fails: {first}"
        self.gradients = dict(zip(self.tensors, found, strict=True))
        return ""


def _check(doubled: _Doubled, name: str, entries: int, tolerance: float, generator: torch.Generator) -> TensorCheck:
    tensor, gradient = doubled.tensors[name], doubled.gradients[name]
    places = torch.arange(tensor.numel())
    if len(places) > entries:
        places = torch.randperm(len(places), generator=generator)[:entries].sort().values
    kinks, judged = 0, []
    with torch.no_grad():
        for place in places.tolist():
            index = tuple(int(each) for each in torch.unravel_index(torch.tensor(place), tensor.shape))
            before = tensor[index].item()

            def changed(by: float, index: tuple[int, ...] = index, before: float = before) -> float:
                tensor[index] = before + by
                loss = doubled.number()
                tensor[index] = before
                return loss

            analytic = 0.0 if gradient is None else gradient[index].item()
            found = judge(changed, doubled.here, analytic, size=before, tolerance=tolerance)
            if found.verdict is Verdict.KINK:
                kinks += 1
            else:
                judged.append((found.verdict is Verdict.WRONG, GradientEntry(index, analytic, found.numeric, found.error)))
    worst = sorted((entry for _, entry in judged), key=lambda entry: -entry.error)
    return TensorCheck(
        name,
        tuple(tensor.shape),
        checked=len(judged),
        kinks=kinks,
        wrong=sum(wrong for wrong, _ in judged),
        max_error=worst[0].error if worst else 0.0,
        worst=tuple(worst[:_WORST]),
        connected=gradient is not None,
    )


def _mixed(output: Any, seed: int) -> Tensor:
    """All floats of an output with random weights, none near zero, so that no two gradients cancel by chance."""
    generator = torch.Generator().manual_seed(seed)
    found = [each for each in tree_leaves(output) if _is_float(each)]
    if not found:
        raise ArgumentError("The network puts out no floats", do="Give a loss that makes one number of its output.")
    total: Tensor = found[0].new_zeros(())
    for each in found:
        weights = torch.rand(each.shape, generator=generator, dtype=torch.float64) + 0.5
        signs = torch.randint(0, 2, each.shape, generator=generator) * 2 - 1
        total = total + (each * (weights * signs).to(each.device)).sum()
    return total


def _is_float(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _double(value: Any) -> Any:
    return value.detach().double().clone() if _is_float(value) else value


def _preserved() -> Any:
    """The random state of the process, put back at the end."""
    return torch.random.fork_rng(devices=range(torch.cuda.device_count()))
