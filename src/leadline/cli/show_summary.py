"""`leadline show summary MODEL_OR_RUN`: each layer with its output, its cost and how far it sees."""

from __future__ import annotations

import json
from pathlib import Path

import click

from leadline.cli.printing import printable


@click.command("summary", short_help="Each layer: output, parameters, cost, receptive field.", no_args_is_help=True)
@click.argument("model", metavar="MODEL_OR_RUN")
@click.option("--input", "shapes", multiple=True, metavar="SHAPE", help="Of one sample, such as 3x32x32 or 128:int64.")
@click.option("--outputs", type=click.IntRange(min=1), help="Of a network by its name or a plan: its own number, else 10.")
@click.option("--formulas", is_flag=True, help="Say where each number comes from.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a page to this new file instead.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(model: str, shapes: tuple[str, ...], outputs: int | None, formulas: bool, html: Path | None, as_json: bool) -> None:
    """Print what each layer of a network puts out, what it costs, and how much of the input it sees.

    MODEL_OR_RUN is the folder of a Run (or `last`), whose input is known; FILE.py:NAME, a module or something that makes one
    when it is called; the file of a plan, such as a network row by row; or the name of a network, with arguments if you like:
    resnet18, "mlp(width=64)". For such a network of pictures, 224 is short for 3x224x224. Multiply-adds and memory are for one
    sample. A receptive field of 11/4 is 11 places wide and moves by 4 from one unit to the next.
    """
    from leadline.cli.user_networks import as_input, network_of
    from leadline.errors import RunExistsError
    from leadline.explain.summaries import summary
    from leadline.files import write_text

    if html is not None and html.exists():
        raise RunExistsError(f"{html} exists already", do="Choose another name, or remove it first.")
    module, inputs = network_of(model, [as_input(_of_pictures(model, word)) for word in shapes], outputs)
    found = summary(module, example=inputs)
    if html is not None:
        write_text(html, found.to_html())
    if as_json:
        click.echo(json.dumps(found.to_json(), ensure_ascii=False))
    elif html is not None:
        click.echo(html)
    else:
        click.echo("\n".join(printable(line) for line in found.to_text(formulas=formulas).splitlines()))


def _of_pictures(model: str, shape: str) -> str:
    """The shape of a picture in full, where a network that takes nothing else is given the side alone.

    Errors: `ArgumentError` for any other shape that has not three sizes.
    """
    import inspect

    from leadline.errors import ArgumentError
    from leadline.models import MODELS
    from leadline.models.timm_backbones import PREFIX

    name = model.partition("(")[0].strip()
    if not name.startswith(PREFIX) and (name not in MODELS or "channels" not in inspect.signature(MODELS[name]).parameters):
        return shape
    sizes, colon, kind = shape.partition(":")
    parts = sizes.lower().replace("×", "x").split("x")
    if len(parts) == 3 or not all(part.strip().isdecimal() for part in parts):
        return shape  # of which `as_input` says what is wrong, where something is
    if len(parts) == 1:
        return f"3x{sizes}x{sizes}{colon}{kind}"
    such_as = f"3x{parts[0]}x{parts[1]}" if len(parts) == 2 else "3x224x224"
    raise ArgumentError(
        f"{name} takes pictures",
        expected=f"their channels, height and width, such as {such_as}",
        got=repr(shape),
    )
