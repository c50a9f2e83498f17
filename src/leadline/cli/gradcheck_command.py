"""`leadline gradcheck FILE.py:NAME`: is the backward pass of a network right?"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from leadline.cli.printing import opening, printable
from leadline.errors import ArgumentError

if TYPE_CHECKING:
    from torch import Tensor


@click.command("gradcheck", short_help="Is the backward pass of your network right?", no_args_is_help=True)
@click.argument("place", metavar="FILE.py:NAME")
@click.option(
    "--input", "shapes", multiple=True, metavar="SHAPE", help="Of one sample, such as 3x32x32 or 128:int64; 224 is 3x224x224."
)
@click.option("--loss", "loss_text", metavar="LOSS", help="By its name, with random targets; a mixture of all outputs else.")
@click.option("--batch", type=click.IntRange(min=1), default=4, show_default=True, help="Samples, drawn at random.")
@click.option("--entries", type=click.IntRange(min=1), default=2000, show_default=True, help="Checked of a tensor, at most.")
@click.option("--tolerance", type=click.FloatRange(min=0, min_open=True), default=1e-5, show_default=True)
@click.option("--seed", type=click.IntRange(min=0, max=2**63 - 1), default=0, show_default=True, metavar="N")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    place: str,
    shapes: tuple[str, ...],
    loss_text: str | None,
    batch: int,
    entries: int,
    tolerance: float,
    seed: int,
    as_json: bool,
) -> None:
    """Compare every gradient of a network with central differences in float64.

    NAME is a module, something that makes one when it is called, or a function that returns a module, its inputs and a loss.
    The exit status is 0 when all gradients are right and 1 when some are not.
    """
    if not as_json:
        opening(f"checking the gradients of {place}")
    import torch
    from torch import nn

    from leadline.cli.user_networks import as_input, is_place_in_file, made, shapes_for
    from leadline.explain.gradient_checks import gradient_check

    if not is_place_in_file(place):
        raise ArgumentError("There is nothing to import", expected="FILE.py:NAME", got=place)
    torch.manual_seed(seed)  # weights are drawn when the module is made
    found = made(place)
    loss: Callable[[Any], Tensor] | None = None
    if isinstance(found, nn.Module):
        inputs = [as_input(word) for word in shapes_for(found, shapes)]
        if not inputs:
            raise ArgumentError(f"What {place} takes in is not known", do="Say it with --input, for instance --input 3x32x32.")
        module: nn.Module = found
        drawn: Sequence[Any] = [_drawn(each, batch) for each in inputs]
    else:
        module, drawn, loss = _triple(found, place)
        if shapes:
            raise ArgumentError(f"{place} brings its own inputs", do="Leave --input out.")
    if loss_text is not None:
        loss = _against_random_targets(loss_text, seed)
    result = gradient_check(module, drawn, loss, entries=entries, tolerance=tolerance, seed=seed)
    if as_json:
        click.echo(json.dumps(result.to_json()))
    else:
        click.echo("\n".join(printable(line) for line in str(result).splitlines()))
    if not result.ok:
        raise click.exceptions.Exit(1)


def _drawn(like: Tensor, batch: int) -> Tensor:
    """Values for an input: normal floats; of whole numbers zeros and ones, which every table has."""
    import torch

    shape = (batch, *like.shape[1:])
    try:
        return torch.randn(shape, dtype=like.dtype) if like.is_floating_point() else torch.randint(0, 2, shape).to(like.dtype)
    except RuntimeError as error:
        raise ArgumentError("The inputs do not fit into memory", got=f"a batch of shape {list(shape)}") from error


def _triple(found: Any, place: str) -> tuple[Any, Sequence[Any], Callable[[Any], Tensor] | None]:
    import torch
    from torch import nn

    if isinstance(found, (tuple, list)) and len(found) == 3 and isinstance(found[0], nn.Module):
        module, inputs, loss = found
        several = [inputs] if isinstance(inputs, torch.Tensor) else inputs
        if isinstance(several, (tuple, list)) and (loss is None or callable(loss)):
            return module, several, loss
    raise ArgumentError(
        f"{place} is nothing whose gradients can be checked",
        expected="a module, or a function that returns (module, inputs, loss)",
        got=type(found).__name__,
    )


def _against_random_targets(text: str, seed: int) -> Callable[[Any], Tensor]:
    """A loss by its name, against targets of its kind drawn once for the output that comes."""
    import torch

    from leadline import losses
    from leadline.spelling import parse_call

    function, tasks = losses.get(text), losses.LOSSES[parse_call(text, "loss").name].tasks

    def loss(output: Any) -> Tensor:
        if not isinstance(output, torch.Tensor) or output.ndim != 2:
            got = list(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
            raise ArgumentError(f"The loss {text!r} needs outputs of the form [N, K]", got=got)
        generator = torch.Generator().manual_seed(seed)
        rows, columns = output.shape
        if "classes" in tasks:
            targets = torch.randint(0, columns, (rows,), generator=generator)
        elif "labels" in tasks:
            targets = torch.randint(0, 2, (rows, columns), generator=generator).to(output.dtype)
        elif "number" in tasks:
            targets = torch.randn(rows, columns, generator=generator, dtype=torch.float64).to(output.dtype)
        else:
            raise ArgumentError(f"For the loss {text!r} no targets can be drawn", do="Return (module, inputs, loss) instead.")
        return function(output, targets.to(output.device))

    return loss
