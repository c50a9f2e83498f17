"""Histograms of what flows into the activations, of the network as it began and as it is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leadline.diagnose.check_readings import Activations
from leadline.diagnose.checks.flat_features import choose
from leadline.diagnose.checks.last_look import heard_layers
from leadline.diagnose.subject import Rows, Subject, first_tensor

_ROWS, _LAYERS, _BINS, _VALUES = 256, 24, 40, 20_000
_FEW, _INPUTS = 16, 1 << 20  # rows at least, and numbers of the inputs of all: the maps of large pictures take gigabytes
_BEYOND, _LEAST, _MOST = 0.005, 1.0, 30.0  # share of values left in the outer bins; where those may lie


def read_activations(subject: Subject) -> Activations:
    """The outputs of the layers that feed an activation, or of all where none is seen, on up to 256 kept rows.

    Of large pictures there are fewer, down to 16.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> found = read_activations(a_subject())
        >>> found.follows, len(found.last["0"])
        ({'0': 'relu'}, 40)
    """
    most = max(_FEW, min(_ROWS, _INPUTS // max(first_tensor(subject.train.inputs)[0].numel(), 1)))
    rows = subject.train.take(choose(len(subject.train), most))
    last, follows = _values(subject, subject.trained(), rows)
    first, _ = _values(subject, subject.fresh(), rows) if subject.initial else ({}, {})
    names = [name for name in last if name in follows] or list(last)
    names = [names[round(at * (len(names) - 1) / (_LAYERS - 1))] for at in range(_LAYERS)] if len(names) > _LAYERS else names
    if not names:
        return Activations()
    shown = [values[name] for name in names for values in (first, last) if name in values]
    far = max(float(each.abs().quantile(1 - _BEYOND)) for each in shown)
    far = min(max(far, _LEAST), _MOST)
    return Activations(
        edges=[round(edge, 4) for edge in torch.linspace(-far, far, _BINS + 1).tolist()],
        first={name: _counted(first[name], far) for name in names if name in first},
        last={name: _counted(last[name], far) for name in names},
        follows={name: follows[name] for name in names if name in follows},
    )


def _values(subject: Subject, model: nn.Module, rows: Rows) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Some of the numbers that came out of each layer, those that are finite, and which activation each layer feeds."""
    found = heard_layers(subject, model, rows)
    if found is None:
        return {}, {}
    hooks, root = found
    follows, values = hooks.activations(root), dict[str, Tensor]()
    for name, output in hooks.outputs.items():
        flat = output.detach().float().reshape(-1)
        flat = flat[:: max(1, len(flat) // _VALUES)].cpu()
        flat = flat[flat.isfinite()]
        if len(flat):
            values[name] = flat
    return values, follows


def _counted(values: Tensor, far: float) -> list[int]:
    counts = torch.histc(values.clamp(-far, far), bins=_BINS, min=-far, max=far)
    return [int(count) for count in counts.tolist()]
