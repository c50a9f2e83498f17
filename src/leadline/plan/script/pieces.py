"""The pieces around the network as code: loss, optimizer, schedule, clipping, metric."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from leadline.data.answers import Numbers
from leadline.data.schema import Schema
from leadline.errors import PlanError
from leadline.metrics import for_task
from leadline.optim import make_schedule
from leadline.plan.record import Plan
from leadline.plan.script.definitions import is_own
from leadline.plan.script.extracting import Extract
from leadline.plan.script.layout import ALWAYS_BROKEN, literal
from leadline.plan.script.network_calls import Unwritable, Writing
from leadline.spelling import parse_product


def refused(key: str, value: object, why: str) -> PlanError:
    """The error that says which choice of the Plan has no form as a script."""
    return PlanError(f"{key} = {value!r} cannot be written as a script: {why}", do=f"Choose another {key}.")


def loss_name(function: Any, extract: Extract, writing: Writing, *, outputs: torch.dtype, targets: torch.dtype | None) -> str:
    """The name of the loss in the script, with its arguments written into it.

    Args:
        function: of outputs and targets; a `functools.partial` of one of ours.
        extract: takes the code.
        writing: takes class weights.
        outputs: the type of what the network puts out; of bfloat16 nothing is assumed.
        targets: the type of the targets; None where not all have the same.
    """
    keywords: dict[str, Any] = {}
    function = getattr(function, "__wrapped__", function)
    while isinstance(function, functools.partial):
        keywords = {**function.keywords, **keywords}
        function = function.func
    parameters = list(inspect.signature(function).parameters.values())
    constants = {each.name: keywords.get(each.name, each.default) for each in parameters[2:]}
    given = {name: value for name, value in constants.items() if isinstance(value, Tensor)}
    facts: dict[str, Any] = {} if targets is None else {f"{parameters[1].name}.dtype": targets}
    if outputs == torch.float32:
        facts[f"{parameters[0].name}.dtype"] = outputs
    constants = {name: value for name, value in constants.items() if name not in given}
    name = extract.use(function, constants=constants, facts=facts)
    for key, value in given.items():
        writing.arrays[key] = value.detach().cpu().numpy()
    if not given:
        return name
    more = ", ".join(f'{key}=data["{key}"]' for key in given)
    return f"functools.partial({name}, {more})"


def schedule_expression(plan: Plan, writing: Writing) -> tuple[str, str]:
    """The multiplier of the rate at `done`, the share of the training that is done, and a line that stands before the loop.

    The multiplier is empty where it is always 1; the line is so unless the schedule watches the validation rows.
    """
    factors, before = [], ""
    for call in parse_product(plan.training.schedule, "schedule"):
        made = _made_schedule(str(call), plan.training.epochs)
        if hasattr(made, "update"):
            before = f"plateau = {instance(made, writing)}"
            writing.extract.attributes.add("update")
        else:
            factors.append((call.name, made))
    if plan.training.warm_up:
        product = _made_schedule("constant", plan.training.epochs, warm_up_share=plan.training.warm_up)
        factors.append(("warm_up", product))
    texts = []
    for name, made in factors:
        points = [place / 97 for place in range(98)]
        if all(made(point) == 1.0 for point in points):
            continue
        texts.append(f"{_function_name(name, made, writing.extract)}(done)")
    product = " * ".join(texts)
    if not before:
        return product, ""
    pure = f"({product})" if len(texts) > 1 else product
    return f"plateau(done) * {pure}" if pure else "plateau(done)", before


def _function_name(name: str, made: Any, extract: Extract) -> str:
    function = getattr(made, "function", made)
    if "<locals>" not in function.__qualname__:
        return extract.use(function)
    closed = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    # A product of two functions, of which one is always 1, is the other.
    factors = [cell.cell_contents for cell in closed.values() if callable(getattr(cell.cell_contents, "function", None))]
    factors = factors or [cell.cell_contents for cell in closed.values() if callable(cell.cell_contents)]
    if len(factors) == 2:
        left = [factor for factor in factors if any(factor(place / 97) != 1.0 for place in range(98))]
        return _function_name(name, left[0], extract)
    return extract.use_made(function, name)


def _made_schedule(text: str, epochs: int, **more: Any) -> Any:
    knows = "epochs" in inspect.signature(make_schedule).parameters
    return make_schedule(text, **more, **({"epochs": epochs} if knows else {}))


def optimizer_expression(optimizer: Optimizer, model: nn.Module, writing: Writing, rate: float) -> str:
    """The call that makes this optimizer for the parameters of `model`; `rate` is written as LEARNING_RATE."""
    if is_own(type(optimizer)):
        return _own_optimizer(optimizer, model, writing, rate)
    signature = inspect.signature(type(optimizer)).parameters
    given = {name: value for name, value in optimizer.defaults.items() if name in signature and name != "weight_decay"}
    groups = [_group(group, optimizer.defaults, model) for group in optimizer.param_groups]
    texts = [f"[{', '.join(groups)}{ALWAYS_BROKEN if len(groups) > 1 else ''}]"]
    for name, value in given.items():
        default = signature[name].default
        if name == "lr" or type(value) is not type(default) or value != default:
            texts.append(f"{name}={_rate(value, rate) if name == 'lr' else literal(value)}")
    return f"torch.optim.{type(optimizer).__name__}({', '.join(texts)}{ALWAYS_BROKEN})"


def _own_optimizer(optimizer: Optimizer, model: nn.Module, writing: Writing, rate: float) -> str:
    """A call of Muon: its own group first, then the optimizer for the rest."""
    own, rest = optimizer.param_groups[0], getattr(optimizer, "_rest", None)
    renamed = {"learning_rate": "lr"}
    texts = [_parameters(own["params"], model)]
    if rest is not None:
        texts.append(optimizer_expression(rest, model, writing, rate))
    for name, parameter in list(inspect.signature(type(optimizer)).parameters.items())[2:]:
        value = own.get(renamed.get(name, name), parameter.default)
        if name == "learning_rate" or value != parameter.default:
            texts.append(f"{name}={_rate(value, rate) if name == 'learning_rate' else literal(value)}")
    return f"{writing.extract.use(type(optimizer))}({', '.join(texts)}{ALWAYS_BROKEN})"


def _rate(value: float, rate: float) -> str:
    return "LEARNING_RATE" if value == rate else literal(value)


def _group(group: Mapping[str, Any], defaults: Mapping[str, Any], model: nn.Module) -> str:
    fields = {"weight_decay": group["weight_decay"]} if "weight_decay" in group else {}
    fields |= {name: value for name, value in group.items() if name in defaults and value != defaults[name]}
    texts = ", ".join(f"{literal(name)}: {literal(value)}" for name, value in fields.items())
    return f'{{"params": {_parameters(group["params"], model)}{", " if texts else ""}{texts}}}'


def _parameters(chosen: list[Tensor], model: nn.Module) -> str:
    """A list of these parameters of the network: by a rule where one holds, else by their names."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for rule in ("p.ndim > 1", "p.ndim <= 1", ""):
        kept = [p for p in trained if not rule or (p.ndim > 1) == (rule == "p.ndim > 1")]
        if list(map(id, kept)) == list(map(id, chosen)):
            return f"[p for p in model.parameters() if {rule}]" if rule else "list(model.parameters())"
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    listed = ", ".join(f'model.get_parameter("{names[id(p)]}")' for p in chosen)
    return f"[{listed}]"


def average_of(step: Any) -> tuple[str, ...]:
    """The kind of weight average that wraps a step, with its arguments as text; empty for none."""
    kind = type(step).__name__
    if kind == "ExponentialAverage":
        return "ema", literal(step.decay)
    if kind == "StochasticAverage":
        return "swa", literal(step.start), literal(step.every)
    if kind == "Lookahead":
        return "lookahead", literal(step.every), literal(step.share)
    return ()


def clip_lines(clip: Any, writing: Writing) -> tuple[list[str], list[str]]:
    """Lines before the loop, and the line in it, that clip the gradients of `parameters`."""
    if clip is None:
        return [], []
    if isinstance(clip, (int, float)):
        return [], [f"nn.utils.clip_grad_norm_(parameters, {literal(float(clip))})"]
    kind = type(clip).__name__
    if kind in ("ClipNorm", "ClipValue"):
        way = "norm" if kind == "ClipNorm" else "value"
        return [], [f"nn.utils.clip_grad_{way}_(parameters, {literal(clip.limit)})"]
    return [f"clip = {instance(clip, writing)}"], ["clip(parameters)"]


def instance(value: Any, writing: Writing) -> str:
    """The call that makes an object of ours which keeps its arguments under their names."""
    try:
        given = {name: getattr(value, name) for name in inspect.signature(type(value)).parameters}
        if dataclasses.is_dataclass(value):  # frozen, as all of ours: what it holds is known in its methods
            writing.extract.use(type(value), facts={f"self.{name}": each for name, each in given.items()})
        return writing.call(type(value), given)
    except (AttributeError, Unwritable) as error:
        raise PlanError(f"{type(value).__name__} cannot be written as a script", got=str(error)) from error


def metric_lines(plan: Plan, schema: Schema, extract: Extract) -> list[str]:
    """What `evaluate` returns beside the loss: the metric that is monitored, if it is one."""
    name = plan.training.monitor.removeprefix("valid_")
    metric = for_task(schema.task, schema.answers.outputs).get(name)
    if plan.training.monitor in ("loss", "valid_loss") or metric is None:
        return []
    function: Any = metric.function
    keywords: dict[str, Any] = {}
    while isinstance(function, functools.partial):
        function, keywords = function.func, {**function.keywords, **keywords}
    parameters = list(inspect.signature(function).parameters.values())[2:]
    known = {each.name: keywords.get(each.name, each.default) for each in parameters}
    called = extract.use(function, constants=known)
    if isinstance(schema.answers, Numbers):
        return [f"score = {called}(in_units(outputs), in_units(valid_targets))"]
    probabilities = "torch.softmax(outputs, dim=1)" if schema.task == "classes" else "torch.sigmoid(outputs)"
    return [f"score = {called}({probabilities}, valid_targets.long())"]
