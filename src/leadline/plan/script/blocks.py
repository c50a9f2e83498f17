"""The parts of a script as blocks of lines: data, network, judging, training."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leadline.data.answers import Numbers
from leadline.data.dataset import Dataset
from leadline.data.pictures.pictures import Pictures
from leadline.data.vectors import Vectors
from leadline.plan.building import Built
from leadline.plan.record import Plan
from leadline.plan.script.layout import literal, statement
from leadline.plan.script.network_calls import Writing
from leadline.plan.script.pieces import instance, metric_lines

Block = list[str]


def data_blocks(dataset: Dataset, built: Built, plan: Plan, writing: Writing, file: str) -> list[Block]:
    """Reading the arrays, what the Schema does to them, and the batches."""
    where = "" if built.device.type == "cpu" else ", device=DEVICE"
    blocks = [[f"data = load_file(HERE / {literal(file)}{where})"]]
    targets: Block = []
    for part in ("train", "valid"):
        split = getattr(dataset, part)
        writing.arrays[f"{part}_inputs"] = split.inputs
        writing.arrays[f"{part}_targets"] = split.targets
    prepared, functions = _targets(dataset, where)
    targets += [f'{part}_inputs = data["{part}_inputs"]' for part in ("train", "valid")]
    targets += [f"{part}_targets = {prepared.format(part)}" for part in ("train", "valid")]
    setup, prepare = _preparing(dataset, plan, writing, built.device)
    if built.batches.augment is not None:
        writing.extract.attributes.update(["mix"] if built.batches.augment.mixes else [])
        setup = [*setup, *statement(f"augment = {instance(built.batches.augment, writing)}")]
    return [*blocks, *functions, targets, setup, prepare, _batches(built, bool(prepare))]


def _targets(dataset: Dataset, where: str) -> tuple[str, list[Block]]:
    """How stored targets become what the loss compares with, and the functions for it."""
    answers = dataset.schema.answers
    if not isinstance(answers, Numbers):
        return 'data["{0}_targets"]', []
    names: Block = []
    for name, values in (("target_mean", answers.mean), ("target_std", answers.std), ("target_unit", answers.units)):
        if values:
            names.append(f"{name} = torch.tensor({literal(list(values))}, dtype=torch.float64{where})")
    if not any(answers.units):
        body = ["return ((targets - target_mean) / target_std).float()"]
        names = names[:2]
    else:
        body = [
            "bent = torch.asinh(targets / target_unit.clamp(min=1e-30))",
            "return ((torch.where(target_unit > 0, bent, targets) - target_mean) / target_std).float()",
        ]
    text = '"""Targets as the network learns them: centred, in units of their deviation."""'
    functions = [names, ["def standardized(targets):", f"    {text}", *(f"    {line}" for line in body)]]
    return 'standardized(data["{0}_targets"])', functions


def in_units_block(answers: Numbers) -> Block:
    """The function from outputs to numbers in their own units, for a metric that is monitored."""
    lines = ["learned = outputs.double() * target_std + target_mean"]
    if not any(answers.units):
        lines = ["return outputs.double() * target_std + target_mean"]
    else:
        lines.append("return torch.where(target_unit > 0, torch.sinh(learned.clamp(-80, 80)) * target_unit, learned)")
    return ["def in_units(outputs):", '    """Outputs in the units of the targets."""', *(f"    {line}" for line in lines)]


def _preparing(dataset: Dataset, plan: Plan, writing: Writing, device: torch.device) -> tuple[Block, Block]:
    """Constants and the function `prepare`, which makes network inputs of stored rows; both empty where nothing is to do."""
    inputs = dataset.schema.inputs
    where = "" if device.type == "cpu" else ", device=DEVICE"
    if not isinstance(inputs, (Pictures, Vectors)):
        return [], []
    shape = ".reshape(1, -1, 1, 1)" if isinstance(inputs, Pictures) else ""
    constants = []
    for name, values in (("mean", inputs.mean), ("std", inputs.std)):
        if len(values) > 8:
            writing.arrays[f"input_{name}"] = np.array(values, dtype=np.float32)
            constants.append(f'{name} = data["input_{name}"]')
        else:
            constants += statement(f"{name} = torch.tensor({literal(list(values))}{where}){shape}")
    if isinstance(inputs, Vectors):
        text = '"""Stored rows [B, D] as network input: (x - mean) / std, column by column."""'
        return constants, ["def prepare(rows):", f"    {text}", "    return (rows - mean) / std"]
    constants.append("scale, shift = 1 / std, -mean / std")
    layout = "channels_last" if plan.training.layout == "channels_last" else "contiguous_format"
    return constants, [
        "def prepare(pictures):",
        '    """Stored pictures [B, H, W, C] as network input [B, C, H, W]: (x - mean) / std, channel by channel."""',
        "    pictures = pictures.permute(0, 3, 1, 2)",
        f"    pictures = pictures.to(torch.float32, memory_format=torch.{layout}, copy=True)",
        "    return pictures.mul_(scale).add_(shift)",
    ]


def _batches(built: Built, prepares: bool) -> Block:
    batches, augment = built.batches, built.batches.augment
    whole, rest = divmod(batches.rows, batches.batch_size)
    prepared = "prepare(train_inputs[rows])" if prepares else "train_inputs[rows]"
    lines = [
        "def batches(epoch):",
        '    """The batches of one epoch, in an order that depends on nothing but seed and epoch."""',
        "    generator = torch.Generator().manual_seed(SEED * 1_000_003 + epoch)",
        "    order = torch.randperm(len(train_inputs), generator=generator)",
    ]
    if rest == 1 and whole:
        lines.append("    order = order[:-1]  # a last batch of one row has no variance for batch normalization")
    if built.device.type != "cpu":
        lines.append("    order = order.to(DEVICE)")
    lines.append("    for rows in order.split(BATCH):")
    if augment is not None:
        prepared = f"augment({prepared}, SEED, epoch, rows)"
    if augment is None or not augment.mixes:
        return [*lines, f"        yield {prepared}, train_targets[rows]"]
    classes = f", classes={batches.classes}" if batches.classes else ""
    return [
        *lines,
        f"        pictures = {prepared}",
        f"        yield augment.mix(pictures, train_targets[rows], SEED, epoch, rows{classes})",
    ]


def prior_block(head: str, task: str, outputs: int, device: torch.device) -> Block:
    """The bias of the last layer: what an untrained network answers with."""
    targets = "train_targets" if device.type == "cpu" else "train_targets.cpu()"
    shares = f"torch.bincount({targets}, minlength={outputs}) / len(train_targets)"
    if task == "labels":
        shares = f"{targets}.mean(0)"
    turned = "log" if task == "classes" else "logit"
    return [
        "with torch.no_grad():  # an untrained network answers with the frequencies of the training rows",
        f"    shares = {shares}",
        f"    {head}.bias.copy_(shares.double().clamp(1e-6, 1 - 1e-6).{turned}())",
    ]


def path_expression(model: nn.Module, module: nn.Module) -> str:
    """The expression that leads from `model` to a module inside it.

    Example:
        >>> network = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(2, 2)))
        >>> path_expression(network, network[1][0])
        'model[1][0]'
    """
    name = next(name for name, each in model.named_modules() if each is module)
    return "model" + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in name.split(".") if part)


def loss_block(loss: str, members: bool, bonus: str) -> Block:
    """The function that judges outputs, where it is more than the loss itself."""
    if not members and not bonus:
        return []
    text = "The mean over the members, each of which is judged by itself." if members else "The loss, and less where unsure."
    each = [
        "    if outputs.ndim == 3:",
        "        members = outputs.shape[1]",
        "        outputs, targets = outputs.flatten(0, 1), targets.repeat_interleave(members, dim=0)",
    ]
    return [
        "def loss_of(outputs, targets):",
        f'    """{text}"""',
        *(each if members else []),
        f"    return {loss}(outputs, targets){bonus}",
    ]


def evaluate_block(built: Built, plan: Plan, dataset: Dataset, writing: Writing, loss: str, *, prepares: bool) -> Block:
    """The function that judges a network on the validation rows."""
    score = metric_lines(plan, dataset.schema, writing.extract)
    rows = "prepare(rows)" if prepares else "rows"
    size = getattr(built.evaluate.batches, "batch_size", len(dataset.valid))
    result = f"{loss}(outputs, valid_targets).item()"
    lines = [
        "def evaluate(network):",
        f'    """The loss on the validation rows{", and the score" if score else ""}."""',
        "    network.eval()",
        "    with torch.inference_mode():",
        f"        outputs = torch.cat([network({rows}).float() for rows in valid_inputs.split({size})])",
    ]
    if not score:
        return [*lines, f"        return {result}"]
    return [
        *lines,
        f"        loss = {result}",
        *(f"        {line}" for line in score),
        "        return loss, score.float().item()",
    ]


def has_members(model: nn.Module, inputs: Tensor) -> bool:
    """Whether the network gives the answers of several members while it is trained."""
    with torch.no_grad():
        outputs: Any = copy.deepcopy(model).train()(inputs)
    return bool(outputs.ndim == 3)


def words_of(value: Any) -> set[str]:
    """Every text in a value, however deep.

    Example:
        >>> sorted(words_of({"activation": "relu", "rows": [{"pool": 2}]}))
        ['activation', 'pool', 'relu', 'rows']
    """
    if isinstance(value, str):
        return {value}
    if hasattr(value, "items"):
        return {word for pair in value.items() for each in pair for word in words_of(each)}
    if isinstance(value, (list, tuple)):
        return {word for each in value for word in words_of(each)}
    return set()


def used_names(text: str) -> Callable[[str], bool]:
    """Whether a name occurs in the code."""
    names = set(re.findall(r"[A-Za-z_]\w*", text))
    return names.__contains__
