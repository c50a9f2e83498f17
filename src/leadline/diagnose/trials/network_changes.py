"""Changes of a copy's network: its activations, its last layer with the loss, its first weights, its layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from leadline.diagnose.checks.task_guess import classes_in
from leadline.diagnose.subject import Rows
from leadline.diagnose.trials.copied_training import CopiedTraining
from leadline.diagnose.trials.function_sites import Call, Replacing, calls_of, keep_input
from leadline.diagnose.trials.layer_surgery import (
    after_layer,
    drop_dropout,
    gate,
    new_output,
    normalized,
    start_anew,
    weighted,
    widen,
    without_nonlinearity,
)

_SATURATES = ("sigmoid", "tanh", "hardtanh", "hardsigmoid", "softsign", "logsigmoid")
_RECTIFIERS = (
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "gelu",
    "silu",
    "selu",
    "celu",
    "softplus",
    "hardswish",
    "mish",
    "rrelu",
    "prelu",
)
_OUTPUTS = ("softmax", "log_softmax", "softmin", "sigmoid", "tanh", "relu", "logsigmoid", "hardtanh", "relu6", "hardsigmoid")
_IN_PLACE: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.1),
    "gelu": F.gelu,
    "tanh": torch.tanh,
}


def _probe(copied: CopiedTraining) -> Rows:
    """A few rows to run the network on."""
    return copied.train.take(slice(0, 8))


def _calls(copied: CopiedTraining) -> list[Call]:
    copied.set_training(False)
    return calls_of(lambda inputs: copied.subject.call(copied.model, inputs), _probe(copied).inputs, copied.within)


def _weighted(copied: CopiedTraining) -> list[tuple[str, nn.Module, Tensor]]:
    copied.set_training(False)
    return weighted(copied.model, lambda: copied.answer(_probe(copied).inputs))


def set_activation(copied: CopiedTraining, name: Any) -> str:
    """Activations of hidden layers that saturate become this one, with fitting first weights; so do rectifiers that may die.

    Those that are multiplied with something (gates) and that of the last layer stay.
    """
    function = _IN_PLACE.get(str(name))
    if function is None:
        return f"there is no activation {name!r} among {', '.join(_IN_PLACE)}"
    calls = _calls(copied)
    wanted = _SATURATES if name != "tanh" else ("sigmoid", "hardsigmoid")
    if name in ("leaky_relu", "gelu"):
        wanted = (*wanted, "relu", "relu6")
    shared = [call for call in calls if call.fed and call.name in ("softmax", "log_softmax")]
    chosen = [call for call in calls if call.place == "hidden" and call.name in wanted] + shared
    if not chosen:
        return "no activation of a hidden layer is of the kind that this would replace"
    copied.within.append(Replacing(calls, chosen, lambda old, x, *rest, **named: function(x)))
    if shared or any(call.name in _SATURATES for call in chosen):
        start_weights(copied, "xavier" if name == "tanh" else "he")
    return ""


def nonlinearity(copied: CopiedTraining, argument: Any) -> str:
    """A ReLU after each layer that comes to the next one with nothing non-linear between."""
    copied.set_training(False)
    names = without_nonlinearity(copied.model, lambda: copied.answer(_probe(copied).inputs))
    if not names:
        return "between its layers there is something non-linear"
    for name in names:
        after_layer(copied.model.get_submodule(name), F.relu)
    return ""


def start_weights(copied: CopiedTraining, rule: Any) -> str:
    """First weights by He's rule where rectifiers follow, by Xavier's otherwise, or by the one that is named; biases 0.

    Of "small embeddings" what is looked up begins at a tenth, and all else as it was.
    """
    if rule == "small embeddings":
        tables = [
            each.weight for each in copied.model.modules() if isinstance(each, nn.Embedding) and each.weight.requires_grad
        ]
        with torch.no_grad():
            for table in tables:
                table.mul_(0.1)
        return "" if tables else "it looks nothing up"
    if rule in (None, "auto"):
        names = {call.name for call in _calls(copied) if call.place == "hidden"}
        rule = "he" if names & set(_RECTIFIERS) else "xavier"
    layers = _weighted(copied)
    set_ = start_anew(copied.model, str(rule), layers[-1][0] if layers else "")
    return "" if set_ else "none of its weights are trained"


def right_head(copied: CopiedTraining, fit: Any) -> str:
    """The activation after the last layer is taken away, and the loss is the one that suits the task.

    `fit` is "auto", "linear", which leaves the loss alone, or "classes", for targets that are numbers of classes.
    """
    changed = False
    for _ in range(3):  # a softmax after a ReLU after the last layer
        calls = _calls(copied)
        last = [call for call in calls if call.place == "head" and call.name in _OUTPUTS]
        if not last:
            break
        copied.within.append(Replacing(calls, last, keep_input))
        changed = True
    if fit == "linear":
        return "" if changed else "nothing follows its last layer"
    return _set_loss(copied, "classes" if fit == "classes" else copied.subject.task)


def _set_loss(copied: CopiedTraining, task: str) -> str:
    rows = _probe(copied)
    copied.set_training(False)
    with torch.no_grad():
        outputs = copied.answer(rows.inputs)
    targets = copied.train.targets
    if not isinstance(outputs, Tensor) or not isinstance(targets, Tensor):
        return "its outputs or targets are more than one tensor"
    per_row = outputs.numel() // len(rows)
    if task == "number":
        if per_row != targets.numel() // len(targets):
            return "it has other outputs than there are targets"
        copied.head = []
        copied.loss = lambda outputs, targets: F.mse_loss(outputs, targets.to(outputs.dtype).reshape(outputs.shape))
        return ""
    if task == "labels":
        _set_binary(copied, lambda targets: targets)
        return ""
    if task != "classes":
        return "it is not known which loss suits its task"
    classes = max(copied.subject.classes, int(classes_in(targets).max()) + 1)
    if per_row == 1 and classes == 2:
        _set_binary(copied, classes_in)
        return ""
    if per_row < classes:
        name, layer, _ = (_weighted(copied) or [("", nn.Identity(), outputs)])[-1]
        if not isinstance(layer, nn.Linear) or layer.out_features != per_row:
            return f"it has {per_row} outputs for {classes} classes, and no linear layer at its end"
        new_output(copied.model, name, classes)
    copied.head, copied.loss_made_of = [], ["cross_entropy"]
    copied.loss = lambda outputs, targets: F.cross_entropy(outputs.reshape(len(targets), -1), classes_in(targets))
    copied.outputs_of = lambda outputs: outputs.reshape(-1, classes) if outputs.ndim < 2 else outputs
    if copied.subject.task == "number":  # judged as numbers are
        copied.outputs_of = lambda outputs: outputs.reshape(-1, classes).argmax(1, keepdim=True).float()
    return ""


def _set_binary(copied: CopiedTraining, wanted: Callable[[Any], Tensor]) -> None:
    copied.head, copied.loss_made_of = [], ["binary_cross_entropy_with_logits"]

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs, wanted(targets).to(outputs.dtype).reshape(outputs.shape))

    copied.loss = loss


def no_dropout(copied: CopiedTraining, argument: Any) -> str:
    count = drop_dropout(copied.model)
    copied.model.train()
    calls = calls_of(lambda inputs: copied.subject.call(copied.model, inputs), _probe(copied).inputs, copied.within)
    functions = [call for call in calls if call.name == "dropout"]
    if functions:
        copied.within.append(Replacing(calls, functions, keep_input))
    # Layers whose share is 0 now call the function too.
    used = _dropout_used(copied.subject.model) or any(call.site[0] == 0 for call in functions)
    return "" if count or used else "it has no dropout"


def _dropout_used(model: nn.Module) -> bool:
    return any("Drop" in type(layer).__name__ and getattr(layer, "p", 0) for layer in model.modules())


def regularize(copied: CopiedTraining, share: Any) -> str:
    """Dropout after the hidden layers, and ten times the weight decay."""
    layers = _weighted(copied)[:-1]
    if not layers:
        return "it has no hidden layer"
    drop = nn.Dropout(float(share))
    copied.added["dropout"] = drop
    calls = [call for call in _calls(copied) if call.place == "hidden" and call.name in (*_RECTIFIERS, *_SATURATES)]
    if calls:

        def dropped(function: Callable[..., Tensor], *given: Any, **named: Any) -> Tensor:
            return drop(function(*given, **named))  # type: ignore[no-any-return]

        copied.within.append(Replacing(_calls(copied), calls, dropped))
    else:
        for _, layer, _ in layers:
            after_layer(layer, drop)
    groups = [group for optimizer in copied.subject.optimizers for group in optimizer.param_groups]
    if all("weight_decay" in group for group in groups):
        copied.settings["weight_decay"] = max(1e-3, *(10 * group["weight_decay"] for group in groups), 0.0)
    return ""


def normalization(copied: CopiedTraining, argument: Any) -> str:
    """Batch norm after each hidden layer, layer norm where it gives rows of vectors."""
    if any(isinstance(layer, (_BatchNorm, nn.LayerNorm, nn.GroupNorm)) for layer in copied.model.modules()):
        return "it is normalized already"
    if copied.habits.batch < 4:
        return "a batch has too few rows for batch norm"
    count = 0
    for name, layer, output in _weighted(copied)[:-1]:
        norm = normalized(output, layer)
        if norm is not None:
            copied.added[f"norm of {name}"] = norm
            after_layer(layer, norm)
            count += 1
    return "" if count else "it has no hidden layer that could be normalized"


def fresh_statistics(copied: CopiedTraining, argument: Any) -> str:
    """The running statistics of batch norm are taken anew from all training rows before it is judged."""
    norms = [layer for layer in copied.model.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]
    if not norms:
        return "it has no batch norm"

    def take_anew(trained: CopiedTraining) -> None:
        trained.set_training(False)
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
            norm.train()
        with torch.no_grad():
            for part in trained.train.parts(256):
                if len(part) > 1:
                    trained.answer(part.inputs)

    for norm in norms:
        norm.momentum = 0.1
    copied.before_judging = take_anew
    return ""


def head_only(copied: CopiedTraining, argument: Any) -> str:
    """All but the last layer stay as they were before the first step."""
    layers = _weighted(copied)
    if len(layers) < 2:
        return "it has one layer"
    last = {id(part) for part in layers[-1][1].parameters()}
    others = [part for part in copied.model.parameters() if id(part) not in last]
    if not any(part.requires_grad for part in others):
        return "only its last layer is trained already"
    for part in others:
        part.requires_grad_(False)
    return ""


def with_gates(copied: CopiedTraining, argument: Any) -> str:
    return "" if gate(copied.model) else "it has no plain recurrent layer"


def wider(copied: CopiedTraining, factor: Any) -> str:
    """Hidden layers of a chain get so many times the units, with weights as torch draws them."""
    names = [name for name, *_ in _weighted(copied)]
    if told := widen(copied.model, names, int(factor)):
        return told
    try:
        copied.set_training(False)
        with torch.no_grad():
            copied.answer(_probe(copied).inputs)
    except (RuntimeError, ValueError) as error:
        return f"its layers cannot be made wider: {str(error).splitlines()[0]}"
    return ""
