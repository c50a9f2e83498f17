"""A change of a training in words and as a line of Python, with the numbers of the program that it is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from leadline.diagnose.readings import Readings

_BUILT_IN = ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam", "RAdam", "Adamax", "Adadelta")
_PAIRS = {
    "classes": ("cross entropy on logits, with nothing after the last layer", "criterion = nn.CrossEntropyLoss()"),
    "two": ("binary cross entropy on one logit, with nothing after the last layer", "criterion = nn.BCEWithLogitsLoss()"),
    "labels": ("binary cross entropy on logits, with nothing after the last layer", "criterion = nn.BCEWithLogitsLoss()"),
    "number": ("a squared error on the plain outputs of the last layer", "criterion = nn.MSELoss()"),
}

Words = Callable[[Readings, Any], str]


def sentence_for(change: tuple[str, float | str | None], readings: Readings) -> str:
    """What to do, in a sentence.

    Example:
        >>> sentence_for(("clip", 1.0), Readings())
        'Clip the norm of the gradient at 1.'
    """
    return _told(_SENTENCES, change, readings, " ")


def line_for(change: tuple[str, float | str | None], readings: Readings) -> str:
    """How to do it, in a line of Python.

    Example:
        >>> line_for(("zero_grad", None), Readings())
        'optimizer.zero_grad()  # before loss.backward()'
    """
    return _told(_LINES, change, readings, "; ")


def _told(table: dict[str, Words], change: tuple[str, float | str | None], readings: Readings, between: str) -> str:
    from leadline.diagnose.trials.changes import parts_of

    return between.join(told for name, argument in parts_of(*change) if (told := table[name](readings, argument)))


def _rate(readings: Readings, argument: Any) -> str:
    factor = float(argument)
    own = f": {readings.program.rate * factor:.3g}" if readings.program.rate else ""
    return f"Take {factor:g} times the learning rate{own}."


def _optimizer_line(readings: Readings, rate: float) -> str:
    program = readings.program
    name = program.optimizer if program.optimizer in _BUILT_IN else ""
    if not name:
        return f"for group in optimizer.param_groups: group['lr'] = {rate:.3g}"
    more = f", momentum={program.momentum:g}" if name in ("SGD", "RMSprop") and program.momentum else ""
    more += f", weight_decay={program.weight_decay:g}" if program.weight_decay else ""
    return f"optimizer = torch.optim.{name}(model.parameters(), lr={rate:.3g}{more})"


def _rate_line(readings: Readings, argument: Any) -> str:
    if not readings.program.rate:
        return f"for group in optimizer.param_groups: group['lr'] *= {float(argument):g}"
    return _optimizer_line(readings, readings.program.rate * float(argument))


def _optimizer(readings: Readings, argument: Any) -> str:
    if str(argument) == "sgd":
        return "Take SGD with momentum 0.9 at a learning rate of 0.05."
    if readings.program.optimizer in ("Adam", "AdamW"):
        return "Take a learning rate of 0.001."
    return f"Take {'AdamW' if argument == 'adamw' else 'Adam'} at a learning rate of 0.001."


def _other_optimizer_line(readings: Readings, argument: Any) -> str:
    if str(argument) == "sgd":
        return "optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)"
    own = readings.program.optimizer if readings.program.optimizer in ("Adam", "AdamW") else "Adam"
    return f"optimizer = torch.optim.{'AdamW' if argument == 'adamw' else own}(model.parameters(), lr=1e-3)"


def _without(readings: Readings, **changed: float) -> str:
    program = readings.program
    if program.optimizer not in _BUILT_IN or not program.rate:
        return "; ".join(f"for group in optimizer.param_groups: group['{name}'] = {value:g}" for name, value in changed.items())
    more = ", ".join(f"{name}={value:g}" for name, value in changed.items())
    return f"optimizer = torch.optim.{program.optimizer}(model.parameters(), lr={program.rate:.3g}, {more})"


def _pair(readings: Readings) -> tuple[str, str]:
    program, outputs = readings.program, readings.answers.output_shape
    one = len(outputs) < 2 or outputs[-1] == 1
    return _PAIRS.get("two" if program.task == "classes" and program.classes == 2 and one else program.task, ("", ""))


def _head(readings: Readings, argument: Any) -> str:
    pair = _pair(readings)[0]
    return f"Take {pair}." if pair else "Leave out what follows the last layer."


def _activation(readings: Readings, argument: Any) -> str:
    names = {"relu": "ReLU", "leaky_relu": "leaky ReLU", "gelu": "GELU", "tanh": "tanh"}
    return f"Take {names.get(str(argument), str(argument))} in the hidden layers, with first weights that suit it."


def _activation_line(readings: Readings, argument: Any) -> str:
    names = {"relu": "nn.ReLU()", "leaky_relu": "nn.LeakyReLU(0.1)", "gelu": "nn.GELU()", "tanh": "nn.Tanh()"}
    return names.get(str(argument), "nn.ReLU()")


def _initialize_line(readings: Readings, argument: Any) -> str:
    rule = argument if argument in ("he", "xavier") else _rule(readings)
    return f"leadline.initialize.initialize_weights(model, '{rule}')"


def _rule(readings: Readings) -> str:
    saturating = [name for name in readings.graph.activations if name in ("sigmoid", "tanh")]
    return "xavier" if len(saturating) * 2 > len(readings.graph.activations) else "he"


def _initialize(readings: Readings, argument: Any) -> str:
    name = "Xavier" if (argument if argument in ("he", "xavier") else _rule(readings)) == "xavier" else "He"
    return f"Draw the first weights by {name}'s rule, and set the biases to 0."


def _longer(readings: Readings, argument: Any) -> str:
    epochs = readings.program.epochs
    own = f": {round(epochs * float(argument)):,} epochs" if epochs and epochs >= 1 else ""
    return f"Train {float(argument):g} times as long{own}."


def _longer_line(readings: Readings, argument: Any) -> str:
    epochs = readings.program.epochs
    return f"epochs = {round(epochs * float(argument))}" if epochs and epochs >= 1 else f"epochs = {float(argument):g} * epochs"


def _norm_line(readings: Readings, argument: Any) -> str:
    return "nn.BatchNorm2d(channels)" if readings.graph.convolutional else "nn.BatchNorm1d(width)"


def _standardize_line(readings: Readings, argument: Any) -> str:
    if readings.columns.kind == "pictures":
        return f"x = (x - {readings.columns.mean:.3g}) / {readings.columns.std or 1:.3g}"
    return "mean, std = x_train.mean(0), x_train.std(0); x = (x - mean) / std.where(std > 0, 1)"


def _regularize(readings: Readings, argument: Any) -> str:
    decay = max(1e-3, 10 * readings.program.weight_decay)
    return f"Drop {100 * float(argument):.0f} % of the hidden units in training, and let the weights decay by {decay:g}."


_SENTENCES: dict[str, Words] = {
    "rate": _rate,
    "optimizer": _optimizer,
    "clip": lambda readings, norm: f"Clip the norm of the gradient at {float(norm):g}.",
    "momentum": lambda readings, amount: f"Take a momentum of {float(amount):g}.",
    "constant_rate": lambda readings, _: "Leave the learning rate as it is at the beginning.",
    "cooled": lambda readings, _: "Let the learning rate fall to nothing by the end.",
    "no_decay": lambda readings, _: "Turn off the weight decay.",
    "decay": lambda readings, amount: f"Let the weights decay by {float(amount):g}.",
    "batch": lambda readings, rows: f"Take batches of {float(rows):g} rows.",
    "shuffle": lambda readings, _: "Shuffle the rows anew in each epoch.",
    "zero_grad": lambda readings, _: "Zero the gradients before each backward pass.",
    "connected": lambda readings, _: "Go backward from the loss itself, not from a new tensor of its value.",
    "training_mode": lambda readings, _: (
        "Put the network into training mode before it trains, into evaluation mode to judge it."
    ),
    "everything_trains": lambda readings, _: "Give all parameters to the optimizer, and let them require gradients.",
    "head_only": lambda readings, _: "Freeze all but the last layer, or train the others at a hundredth of the rate.",
    "balanced": lambda readings, _: "Weigh the classes by their rarity, and judge by the balanced accuracy.",
    "sign": lambda readings, _: "Turn the sign of the loss: it is what is made small.",
    "mean_loss": lambda readings, _: "Take the mean loss of a batch, not the sum.",
    "longer": _longer,
    "go_on": lambda readings, factor: _longer(readings, 1 + float(factor)),
    "lower_rate_at_end": lambda readings, _: "Let the learning rate fall towards the end.",
    "standardize": lambda readings, _: "Standardize the inputs with mean and standard deviation of the training rows.",
    "standardize_targets": lambda readings, _: "Standardize the targets, and put the answers back into their units.",
    "finite_rows": lambda readings, _: "Leave out the rows with numbers that are not finite, or fill them in.",
    "head": _head,
    "activation": _activation,
    "nonlinearity": lambda readings, _: "Put a ReLU between the layers.",
    "initialize": _initialize,
    "no_dropout": lambda readings, _: "Turn off the dropout, or drop much less.",
    "regularize": _regularize,
    "normalization": lambda readings, _: "Put batch norm after the hidden layers.",
    "statistics": lambda readings, _: "Let batch norm follow the data: a momentum of 0.1, and batches of 8 rows or more.",
    "gated": lambda readings, _: "Take gated recurrent units.",
    "wider": lambda readings, factor: f"Give the hidden layers {float(factor):g} times the units.",
}
_LINES: dict[str, Words] = {
    "rate": _rate_line,
    "optimizer": _other_optimizer_line,
    "clip": lambda readings, norm: f"nn.utils.clip_grad_norm_(model.parameters(), {float(norm):g})  # before optimizer.step()",
    "momentum": lambda readings, amount: _without(readings, momentum=float(amount)),
    "constant_rate": lambda readings, _: "",
    "cooled": lambda readings, _: _cosine(readings),
    "no_decay": lambda readings, _: _without(readings, weight_decay=0.0),
    "decay": lambda readings, amount: _without(readings, weight_decay=float(amount)),
    "batch": lambda readings, rows: f"DataLoader(data, batch_size={float(rows):g}, shuffle=True)",
    "shuffle": lambda readings, _: f"DataLoader(data, batch_size={readings.program.batch or 32}, shuffle=True)",
    "zero_grad": lambda readings, _: "optimizer.zero_grad()  # before loss.backward()",
    "connected": lambda readings, _: "loss = loss_function(model(x), y); loss.backward()",
    "training_mode": lambda readings, _: "model.train()  # before the training loop; model.eval() before judging",
    "everything_trains": lambda readings, _: (
        "model.requires_grad_(True); " + _optimizer_line(readings, readings.program.rate or 1e-3)
    ),
    "head_only": lambda readings, _: "model.requires_grad_(False); head.requires_grad_(True)  # before the optimizer is made",
    "balanced": lambda readings, _: "criterion = nn.CrossEntropyLoss(weight=counts.sum() / (len(counts) * counts))",
    "sign": lambda readings, _: "loss = -loss",
    "mean_loss": lambda readings, _: "loss = loss / len(targets)  # or reduction='mean'",
    "longer": _longer_line,
    "go_on": lambda readings, factor: _longer_line(readings, 1 + float(factor)),
    "lower_rate_at_end": lambda readings, _: _cosine(readings),
    "standardize": _standardize_line,
    "standardize_targets": lambda readings, _: (
        f"y = (y - {readings.answers.mean:.3g}) / {readings.answers.std or 1:.3g}  # and back: answer * std + mean"
    ),
    "finite_rows": lambda readings, _: "keep = torch.isfinite(x).flatten(1).all(1); x, y = x[keep], y[keep]",
    "head": lambda readings, _: _pair(readings)[1],
    "activation": _activation_line,
    "nonlinearity": lambda readings, _: "nn.ReLU()",
    "initialize": _initialize_line,
    "no_dropout": lambda readings, _: "nn.Dropout(0.0)",
    "regularize": lambda readings, share: f"nn.Dropout({float(share):g})",
    "normalization": _norm_line,
    "statistics": lambda readings, _: "nn.BatchNorm1d(width, momentum=0.1)",
    "gated": lambda readings, _: "nn.GRU(features, hidden, batch_first=True)",
    "wider": lambda readings, factor: f"width = {float(factor):g} * width",
}


def _cosine(readings: Readings) -> str:
    steps = readings.program.steps or "steps"
    return f"scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, {steps})  # scheduler.step() each step"
