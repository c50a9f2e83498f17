"""A summary of a network: what each layer puts out, costs, holds and sees, with the formula behind each number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from leadline.explain import formulas, summary_tables
from leadline.explain.counting import Count, counts_of
from leadline.explain.fields import Following
from leadline.explain.summary_records import SummaryRow as SummaryRow
from leadline.explain.tracing import Operation, Step, example_inputs, trace, unwrapped
from leadline.spelling import counted


class Summary(Sequence[SummaryRow]):
    """The rows of a network in the order of their calls, and their totals; `str` gives a table for 80 columns.

    `parameters` counts each one once, however often it is used, `trainable` those that training changes; `multiply_adds` and
    `memory` are sums over the rows, for one sample.

    Example:
        >>> found = summary(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), (1, 8, 8))
        >>> found.parameters, found.multiply_adds, [row.output_shape for row in found]
        (650, 640, [(64,), (10,)])
    """

    def __init__(
        self,
        rows: Sequence[SummaryRow],
        *,
        title: str,
        input_shapes: Sequence[tuple[int, ...]],
        parameters: int,
        trainable: int,
        parameter_bytes: int,
        notes: Sequence[str] = (),
    ) -> None:
        self.title = title
        self.rows: Sequence[SummaryRow] = tuple(rows)
        self.input_shapes: Sequence[tuple[int, ...]] = tuple(input_shapes)
        self.parameters, self.trainable, self.parameter_bytes = parameters, trainable, parameter_bytes
        self.notes: Sequence[str] = tuple(notes)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at):  # type: ignore[no-untyped-def]  # an int or a slice, as a Sequence has it
        return self.rows[at]

    @property
    def multiply_adds(self) -> int:
        """Of one sample, forwards."""
        return sum(row.multiply_adds for row in self.rows)

    @property
    def memory(self) -> int:
        """Bytes of all that the layers put out for one sample; what stands where its input stood costs nothing more."""
        return sum(row.memory for row in self.rows)

    def to_text(self, *, formulas: bool = False) -> str:
        """A table for 80 columns.

        Args:
            formulas: say under each row where its numbers come from.
        """
        return summary_tables.plain_table(self, formulas=formulas)

    def to_html(self) -> str:
        """The table as one HTML page; a row unfolds to its formulas."""
        return summary_tables.html_page(self)

    def to_json(self) -> dict[str, Any]:
        """Rows and totals as plain values."""
        names = ("title", "parameters", "trainable", "parameter_bytes", "multiply_adds", "memory")
        totals = {name: getattr(self, name) for name in names}
        shapes = [list(shape) for shape in self.input_shapes]
        return {**totals, "input_shapes": shapes, "notes": list(self.notes), "rows": [row.to_json() for row in self.rows]}

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return summary_tables.html_table(self)


def summary(
    module: nn.Module,
    shape: Sequence[int] | None = None,
    *,
    example: Tensor | Sequence[Tensor] | None = None,
    dtype: torch.dtype | None = None,
    axes: Sequence[int] | None = None,
    statistics: bool = False,
) -> Summary:
    """What each layer of a network puts out, how many parameters, multiply-adds and bytes it takes, and how far it sees.

    Multiply-adds of a convolution: K·F·F·D_in/G for each place of its map; of a linear layer K·D; of attention L·S·(E + V) a
    head; of normalization 1 to 3 a value. Arithmetic element by element, pooling and biases are not counted.

    Shapes: an input of `shape` with one sample in the batch. It has no values unless the network looks at them, so neither the
    size of the network nor that of the input matters.

    Args:
        module: any network, whatever it calls on the way; it is not changed.
        shape: of one sample, without the batch dimension.
        example: in place of a shape, what the network is called with: one tensor with its batch dimension, or several.
        dtype: of an input that is given by its shape; that of the parameters when left out.
        axes: which axes of a sample the receptive field is told for, as in `receptive_field`.
        statistics: whether statistics of normalization count in it, as in `receptive_field`.

    Errors: `ArgumentError` for inputs that the network cannot take, with the layer that refuses and the shape that comes to it.

    Example:
        >>> convolution = nn.Conv2d(3, 16, 2, padding="same")
        >>> net = nn.Sequential(convolution, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4096, 10))
        >>> print(summary(net, (3, 32, 32)))
        Sequential, input 3×32×32
        layer                      output         parameters mult-adds    memory   field
        0 Conv2d                   16×32×32              208   196.6 k    64 KiB     2/1
        1 ReLU                     16×32×32                               64 KiB     2/1
        2 MaxPool2d                16×16×16                               16 KiB     3/2
        3 Flatten                  4096                                                3
        4 Linear                   10                 40,970   40.96 k      40 B   whole
        total                                         41,178   237.6 k   144 KiB
        parameters 160.9 KiB, all trainable

    Source: He and Sun (2015), Convolutional neural networks at constrained time cost, for counting convolutions.
    """
    module = unwrapped(module)
    inputs = example_inputs(module, shape, example, dtype)
    watching = _Watching(inputs, module, axes, statistics=statistics)
    steps = trace(module, inputs, watching.begin)
    parameters = dict(module.named_parameters())
    single = all(each.shape[0] == 1 for each in inputs)  # then the batch dimension is not worth a word
    rows = _rows(steps, watching, parameters, single=single)
    used = {name for step in steps for name in step.parameters}
    left = sum(each.numel() for name, each in parameters.items() if name not in used)
    those = counted(left, "parameter is", "parameters are")
    notes = [f"{those} not used on the way: {_few(sorted(set(parameters) - used))}"] if left else []
    return Summary(
        rows,
        title=type(module).__name__,
        input_shapes=[tuple(each.shape[1:] if single else each.shape) for each in inputs],
        parameters=sum(each.numel() for each in parameters.values()),
        trainable=sum(each.numel() for each in parameters.values() if each.requires_grad),
        parameter_bytes=sum(each.numel() * each.element_size() for each in parameters.values()),
        notes=notes,
    )


class _Watching:
    """Fields, multiply-adds and bytes, as the steps go by."""

    def __init__(self, inputs: Sequence[Tensor], module: nn.Module, axes: Sequence[int] | None, *, statistics: bool) -> None:
        self.fields = Following(inputs[0], module, axes, statistics=statistics) if inputs[0].ndim > 1 else None
        self.counts: list[list[Count]] = []
        self.memory: list[int] = []

    def begin(self, inputs: Sequence[Tensor]) -> _Watching:
        if self.fields is not None:
            self.fields.begin(inputs)
        self.counts, self.memory = [], []
        # Held, because the place of a tensor that is gone is given to another.
        self.held = list(inputs)
        self.storages = {each.untyped_storage()._cdata for each in inputs}
        return self

    def see(self, operation: Operation) -> None:
        if self.fields is not None:
            self.fields.see(operation)

    def end(self, step: Step) -> None:
        assert step.output is not None
        if self.fields is not None:
            self.fields.end(step)
        self.counts.append(counts_of(step))
        storage = step.output.untyped_storage()._cdata
        new = storage not in self.storages
        self.memory.append(step.output.numel() * step.output.element_size() if new else 0)
        self.storages.add(storage)
        self.held.append(step.output)


def _rows(steps: Sequence[Step], watching: _Watching, parameters: dict[str, nn.Parameter], *, single: bool) -> list[SummaryRow]:
    rows = []
    first_use: dict[str, str] = {}
    for at, step in enumerate(steps):
        output, counts = step.output, watching.counts[at]
        assert output is not None
        field = watching.fields.rows[at].field if watching.fields is not None else None
        before = watching.fields.before[at] if watching.fields is not None else None
        shapes = {_last_name(name, step): tuple(parameters[name].shape) for name in step.parameters}
        texts = {
            "output": formulas.output_formula(step),
            "parameters": formulas.parameters_formula(step.module, shapes) if shapes else "",
            "multiply_adds": formulas.counts_formula(counts),
            "memory": formulas.memory_formula(output, watching.memory[at]),
            "field": formulas.field_formula(step, before, field),
        }
        shared = sum(parameters[name].numel() for name in step.repeated)
        again = list(dict.fromkeys(first_use[name] for name in step.repeated))
        first_use |= dict.fromkeys(step.parameters, step.name or step.kind)
        rows.append(
            SummaryRow(
                name=step.name,
                kind=step.kind,
                is_layer=step.module is not None,
                output_shape=tuple(output.shape[1:] if single and output.ndim and output.shape[0] == 1 else output.shape),
                parameters=sum(math.prod(shape) for shape in shapes.values()),
                shared=shared,
                multiply_adds=sum(count.amount for count in counts),
                memory=watching.memory[at],
                field=field,
                formulas={name: text for name, text in texts.items() if text},
                note=f"uses {counted(shared, 'parameter')} again that {_few(again)} has counted" if shared else "",
            )
        )
    return rows


def _last_name(name: str, step: Step) -> str:
    return name.removeprefix(f"{step.name}.") if step.module is not None and step.name else name


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
