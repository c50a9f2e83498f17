"""A summary as a table of 80 columns, and as HTML that reads on light and on dark."""

from __future__ import annotations

import textwrap
from html import escape

from leadline.explain.summary_records import Summarized, SummaryRow

_LAYER, _OUTPUT, _PARAMETERS, _PRODUCTS, _MEMORY, _FIELD = 26, 13, 11, 9, 9, 7
_ARITHMETIC = {"add": "sum", "sub": "difference", "mul": "product", "div": "quotient", "truediv": "quotient"}
_WORDS = {
    "output": "output",
    "parameters": "parameters",
    "multiply_adds": "multiply-adds",
    "memory": "memory",
    "field": "receptive field",
}


def plain_table(summary: Summarized, *, formulas: bool) -> str:
    """The table in fixed columns.

    Args:
        summary: the rows.
        formulas: with the formulas under each row.
    """
    lines = [heading(summary), _line("layer", "output", "parameters", "mult-adds", "memory", "field")]
    for row in summary.rows:
        lines.append(
            _line(
                label(row),
                sizes(row.output_shape),
                parameters_of(row),
                amount(row.multiply_adds) if row.multiply_adds else "",
                bytes_in_words(row.memory) if row.memory else "",
                str(row.field) if row.field is not None else "",
            )
        )
        if row.note:
            lines += _wrapped(row.note)
        if formulas:
            for name, formula in row.formulas.items():
                lines += _wrapped(f"{_WORDS[name]}: {formula}")
    total = _line("total", "", f"{summary.parameters:,}", amount(summary.multiply_adds), bytes_in_words(summary.memory), "")
    return "\n".join([*lines, total, *closing(summary)])


def heading(summary: Summarized) -> str:
    """The first line: what the network is, and what goes in."""
    return f"{summary.title}, input " + " and ".join(sizes(shape) for shape in summary.input_shapes)


def closing(summary: Summarized) -> list[str]:
    """The last lines: how large the parameters are, how many are trained, and the notes."""
    frozen = summary.parameters - summary.trainable
    trained = f"{frozen:,} of them frozen" if frozen else "all trainable"
    lines = [f"parameters {bytes_in_words(summary.parameter_bytes)}, {trained}"] if summary.parameters else []
    return [line for each in (*lines, *summary.notes) for line in textwrap.wrap(each, 80)]


def label(row: SummaryRow, width: int = _LAYER) -> str:
    """Name and kind of a layer; where a function stands, and its name. Of what is too long, the end of the name is kept."""
    name, kind = parted(row)
    if not name:
        return shortened(kind, width)
    kind = kind if len(kind) <= width - 8 else kind[: width - 9] + "…"
    return f"{shortened(name, width - len(kind) - 1)} {kind}"


def parted(row: SummaryRow) -> tuple[str, str]:
    """The name of a layer and its kind; the layer a function is called in and the function, arithmetic in plain words."""
    if row.is_layer:
        return row.name, row.kind
    return row.name.rpartition(".")[0], _ARITHMETIC.get(row.kind.removeprefix("i").removeprefix("r"), f"{row.kind}()")


def shortened(name: str, width: int) -> str:
    """The last letters of a name that is too long."""
    return name if len(name) <= width else "…" + name[len(name) - width + 1 :]


def sizes(shape: tuple[int, ...]) -> str:
    """A shape as people write it.

    Example:
        >>> sizes((3, 32, 32)), sizes(())
        ('3×32×32', '1')
    """
    return "×".join(map(str, shape)) or "1"


def parameters_of(row: SummaryRow) -> str:
    """The parameters a row adds; those that another has counted are named as such."""
    return f"{row.parameters:,}" if row.parameters else "shared" if row.shared else ""


def amount(number: int) -> str:
    """A count with four figures and a power of a thousand.

    Example:
        >>> amount(950), amount(196_608), amount(1_814_073_344)
        ('950', '196.6 k', '1.814 G')
    """
    for factor, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= factor:
            return f"{number / factor:.4g} {letter}"
    return str(number)


def bytes_in_words(number: int) -> str:
    """Bytes with four figures and a power of 1,024.

    Example:
        >>> bytes_in_words(40), bytes_in_words(65_536), bytes_in_words(46_758_048)
        ('40 B', '64 KiB', '44.59 MiB')
    """
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if number >= 1024**power:
            return f"{number / 1024**power:.4g} {unit}"
    return f"{number} B"


def _line(layer: str, output: str, parameters: str, products: str, memory: str, field: str) -> str:
    cells = [f"{layer:<{_LAYER}}", f"{shortened(output, _OUTPUT):<{_OUTPUT}}", f"{parameters:>{_PARAMETERS}}"]
    cells += [f"{products:>{_PRODUCTS}}", f"{memory:>{_MEMORY}}", f"{field:>{_FIELD}}"]
    return " ".join(cells).rstrip()


def _wrapped(words: str) -> list[str]:
    return textwrap.wrap(words, 80, initial_indent="    ", subsequent_indent="      ", break_long_words=False)


_STYLE = """
.leadline-summary { font: 14px/1.45 system-ui, sans-serif; color-scheme: light dark; max-width: 62rem;
  container-type: inline-size; overflow-x: auto; }
.leadline-summary table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
.leadline-summary :is(th, td) { padding: .25rem .7rem; text-align: right; vertical-align: top; white-space: nowrap; }
.leadline-summary th { font-weight: 600; border-bottom: 1px solid #8888; white-space: normal; vertical-align: bottom; }
.leadline-summary tbody tr { border-bottom: 1px solid #8883; }
.leadline-summary tfoot td { font-weight: 600; border-top: 1px solid #8888; }
.leadline-summary :is(th, td):first-child { text-align: left; white-space: normal; }
.leadline-summary .kind, .leadline-summary .note { opacity: .65; }
.leadline-summary summary { cursor: pointer; }
/* Formulas take the width of the whole table, not of their column. */
.leadline-summary dl { margin: .3rem calc(4rem - 100cqw) .5rem 1.1rem; width: calc(100cqw - 4rem); display: grid;
  grid-template-columns: max-content 1fr; gap: .1rem .8rem; font-size: .9em; }
.leadline-summary dt { opacity: .65; }
.leadline-summary dd { margin: 0; }
@container (max-width: 46rem) {
  .leadline-summary table { font-size: .9em; }
  .leadline-summary :is(th, td) { padding-inline: .35rem; }
}
"""


def html_table(summary: Summarized) -> str:
    """The table as HTML to stand in another page."""
    names = ("layer", "output", "parameters", "multiply-adds", "memory", "receptive field", "centre")
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "".join(_html_row(row) for row in summary.rows)
    totals = ("total", "", f"{summary.parameters:,}", f"{summary.multiply_adds:,}", bytes_in_words(summary.memory), "", "")
    foot = "".join(f"<td>{cell}</td>" for cell in totals)
    notes = "".join(f"<p>{escape(line)}</p>" for line in (heading(summary),))
    after = "".join(f"<p>{escape(line)}</p>" for line in closing(summary))
    return (
        f'<div class="leadline-summary"><style>{_STYLE}</style>{notes}<table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody><tfoot><tr>{foot}</tr></tfoot></table>{after}</div>"
    )


def html_page(summary: Summarized) -> str:
    """The table as a page of its own."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(heading(summary))}</title>"
        "<style>:root { color-scheme: light dark; } body { margin: 1.5rem; }</style>"
        f"</head><body>{html_table(summary)}</body></html>\n"
    )


def _html_row(row: SummaryRow) -> str:
    name, kind = parted(row)
    title = f'{escape(name)} <span class="kind">{escape(kind)}</span>' if name else escape(kind)
    terms = "".join(f"<dt>{_WORDS[key]}</dt><dd>{escape(formula)}</dd>" for key, formula in row.formulas.items())
    note = f'<div class="note">{escape(row.note)}</div>' if row.note else ""
    centre = "" if row.field is None else ", ".join(f"{each:g}" for each in dict.fromkeys(row.field.centre))
    cells = (
        sizes(row.output_shape),
        parameters_of(row),
        f"{row.multiply_adds:,}" if row.multiply_adds else "",
        bytes_in_words(row.memory) if row.memory else "",
        str(row.field) if row.field is not None else "",
        centre,
    )
    first = f"<details><summary>{title}</summary><dl>{terms}</dl></details>{note}"
    return f"<tr><td>{first}</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
