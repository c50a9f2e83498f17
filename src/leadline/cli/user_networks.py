"""Networks as they are named on the command line: a Run, `FILE.py:NAME`, a plan, or a builder with its arguments."""

from __future__ import annotations

import importlib.util
import inspect
import math
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError, LeadlineError, SourceNotFoundError, nearest, unknown
from leadline.spelling import Call, bind, parse_call

_KINDS = {"float32": torch.float32, "float64": torch.float64, "int64": torch.int64, "bool": torch.bool}


def as_input(word: str) -> Tensor:
    """`3x32x32`, or `128:int64`, as a batch of one without values.

    Errors: `ArgumentError` for anything else.

    Example:
        >>> as_input("3x32x32").shape
        torch.Size([1, 3, 32, 32])
    """
    text, _, kind = word.partition(":")
    if kind and kind not in _KINDS:
        unknown("kind of number", kind, _KINDS)
    try:
        shape = [int(size) for size in text.lower().replace("×", "x").split("x")]
    except ValueError:
        shape = [0]
    if min(shape) < 1:
        raise ArgumentError("The input has no shape", expected="whole numbers joined by x, such as 3x32x32", got=repr(word))
    try:
        return torch.empty(1, *shape, dtype=_KINDS[kind or "float32"], device="meta")
    except (RuntimeError, OverflowError, TypeError) as error:
        raise ArgumentError("The input is too large", expected="a size that fits into a machine", got=repr(word)) from error


def shapes_for(module: nn.Module, words: Sequence[str]) -> list[str]:
    """The shapes of samples in full: one number is the side of a square picture where the network begins with a convolution.

    Args:
        module: that takes them.
        words: as they were given.

    Errors: `ArgumentError` that says which shape the first layer takes, where a word has another number of sizes.

    Example:
        >>> shapes_for(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), ["224"]), shapes_for(nn.Linear(7, 2), ["7"])
        (['3x224x224'], ['7'])
    """
    first = next((each for each in module.modules() if isinstance(each, _FIRST)), None)
    if len(words) != 1 or not isinstance(first, _CONVOLUTIONS):
        return list(words)
    sizes, colon, kind = words[0].partition(":")
    parts = sizes.lower().replace("×", "x").split("x")
    if not all(part.strip().isdecimal() for part in parts):
        return list(words)  # of which `as_input` says what is wrong
    axes = next(number for number, kinds in _AXES.items() if isinstance(first, kinds))
    if len(parts) == axes + 1:
        return list(words)
    channels = str(first.in_channels or "C")  # of a lazy layer they are not known yet
    sides = parts * axes if len(parts) == 1 else ["32"] * axes
    if len(parts) == 1 and axes == 2 and first.in_channels:
        return ["x".join([channels, *sides]) + colon + kind]
    raise ArgumentError(
        f"The network begins with {first}, which takes {axes + 1} sizes: channels{_OF_AXES[axes]}",
        expected=f"a shape such as {'x'.join([channels, *sides])}",
        got=repr(words[0]),
    )


def network_of(word: str, inputs: list[Tensor], outputs: int | None) -> tuple[nn.Module, list[Tensor]]:
    """The network that a word stands for, and what it is called with.

    Args:
        word: the folder of a Run or `last`, `FILE.py:NAME`, the file of a plan, or a builder of `models.MODELS` as a call.
        inputs: as given; for a Run they are known.
        outputs: for a builder; where None, as many as it has by itself (1,000 for the networks of ImageNet), else 10.

    Errors: a `LeadlineError` for a word that leads nowhere, or inputs that are missing.
    """
    if is_place_in_file(word):
        module = module_of(word)
        return module, _needed(inputs, word)
    if word == "last" or Path(word).is_dir():
        from leadline import runs

        run = runs.open(word, device="cpu")
        numbered = run.schema.inputs.kind in ("texts", "tokens", "sentences")
        kind = torch.int64 if numbered else torch.float32
        known = torch.empty(1, *run.schema.inputs.shape, dtype=kind, device="meta")
        if inputs and [each.shape for each in inputs] != [known.shape]:
            raise ArgumentError(
                f"The network in {run.folder} takes other inputs", expected=_written(known), got=_written(*inputs)
            )
        return run.model, [known]
    if Path(word).suffix in (".toml", ".json") and Path(word).is_file():
        from leadline.cli.options import plan_from

        plan = plan_from(Path(word))
        if "model.name" not in plan.why:
            raise ArgumentError(f"The plan {word} names no network", expected="model.name", do="Write it: [model] name = …")
        call = Call(plan.model.name, (), dict(plan.model.arguments))
    else:
        call = _call_of(word)
    network = _built(call, word, inputs, outputs)
    return network, _called_with(network, inputs)


def is_place_in_file(word: str) -> bool:
    """Whether a word names something in a Python file.

    Example:
        >>> is_place_in_file("nets.py:Net"), is_place_in_file("resnet18")
        (True, False)
    """
    return word.endswith(".py") or ".py:" in word


def module_of(word: str) -> nn.Module:
    """The network that `FILE.py:NAME` names: a module, or what a class or function there makes when it is called.

    Errors: a `LeadlineError` for a file that cannot be imported, a name that is not in it, or one that is no network.
    """
    found = made(word)
    if not isinstance(found, nn.Module):
        raise ArgumentError(f"{word} is no network", expected="a torch.nn.Module, or what makes one", got=type(found).__name__)
    return found


def made(word: str) -> Any:
    """What `FILE.py:NAME` names; a class or function is called without arguments.

    Errors: a `LeadlineError` for a file that cannot be imported, or a name that is not in it or cannot be called.
    """
    found = _named(word)
    if isinstance(found, nn.Module) or not callable(found):
        return found
    needed = _needs(found)
    if needed:
        raise ArgumentError(
            f"{word} cannot be called without arguments",
            expected="a class or function that needs none",
            got=f"one that needs {', '.join(needed)}",
            do="Write a function beside it that calls it with them, and name that.",
        )
    try:
        return found()
    except LeadlineError:
        raise
    except (Exception, SystemExit) as error:
        raise ArgumentError(f"{word} fails when it is called", got=_where(error, Path(word.rpartition(":")[0]))) from error


def _named(word: str) -> Any:
    file, _, name = word.rpartition(":") if ".py:" in word else (word, "", "")
    path = Path(file)
    if not path.is_file():
        raise SourceNotFoundError(f"There is no file {file}", expected="FILE.py:NAME", got=word)
    loaded = _imported(path)
    names = {key: value for key, value in vars(loaded).items() if not key.startswith("_")}
    networks = [key for key, value in names.items() if _is_own_network(value, loaded.__name__)]
    if not name:
        raise ArgumentError(
            f"{file} holds more than one thing",
            expected="FILE.py:NAME",
            got=word,
            do=f"Its networks are {', '.join(networks)}." if networks else None,
        )
    if name not in names:
        close = nearest(name, names)
        raise ArgumentError(
            f"There is no {name!r} in {file}",
            expected=f"one of {', '.join(networks)}" if networks else None,
            do=f"Did you mean {close!r}?" if close else None,
        )
    return names[name]


def _imported(path: Path) -> Any:
    """The file as a module; what lies beside it can be imported from it."""
    name = f"leadline_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    folder = str(path.parent.resolve())
    sys.modules[name] = module  # dataclasses look their module up
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ArgumentError(f"{path} is not valid Python", got=f"line {error.lineno}: {error.msg}") from error
    except LeadlineError:
        raise
    except (Exception, SystemExit) as error:
        raise ArgumentError(f"{path} fails when it is imported", got=_where(error, path)) from error
    finally:
        sys.path.remove(folder)
    return module


def _where(error: BaseException, path: Path) -> str:
    """What went wrong, and in which line of the file."""
    lines = [each.lineno for each in traceback.extract_tb(error.__traceback__) if Path(each.filename).name == path.name]
    said = (str(error).strip() or "no message").splitlines()[0]
    return f"{type(error).__name__}: {said}" + (f" (line {lines[-1]})" if lines else "")


def _is_own_network(value: Any, module: str) -> bool:
    if isinstance(value, nn.Module):
        return True
    return isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module


def _needs(function: Any) -> list[str]:
    """The parameters of a callable that have no default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    fixed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each.name for each in parameters if each.default is inspect.Parameter.empty and each.kind not in fixed]


def _call_of(word: str) -> Call:
    """The name of a builder, with its arguments."""
    from leadline.models import MODELS
    from leadline.models.timm_backbones import PREFIX

    prefix = PREFIX if word.startswith(PREFIX) else ""  # which is no name that could be called
    try:
        call = parse_call(word.removeprefix(prefix), "network")
    except ArgumentError:
        raise SourceNotFoundError(_NOWHERE.format(word), expected=_EXPECTED) from None
    call = call._replace(name=prefix + call.name)
    if call.name not in MODELS:
        close = nearest(call.name, MODELS)
        raise SourceNotFoundError(
            _NOWHERE.format(word),
            expected=f"{_EXPECTED} ({', '.join(MODELS)})",
            do=f"Did you mean {close!r}?" if close else None,
        )
    return call


def _built(call: Call, word: str, inputs: Sequence[Tensor], outputs: int | None) -> nn.Module:
    """A network of `MODELS`, for an input of the first shape."""
    from leadline.models import MODELS

    builder = MODELS[call.name]
    wanted = inspect.signature(builder).parameters
    own = wanted["classes"].default if "classes" in wanted else inspect.Parameter.empty
    of_imagenet = own == _OF_IMAGENET
    shape = tuple(_needed(list(inputs), word, "3x224x224" if of_imagenet else "3x32x32")[0].shape[1:])
    if "channels" in wanted and len(shape) == 3 and shape[2] in (1, 3) and shape[0] == shape[1] > 4:
        right = "x".join(map(str, (shape[2], *shape[:2])))
        raise ArgumentError("Channels come first", expected=right, got="x".join(map(str, shape)))
    answers = outputs or (own if own is not inspect.Parameter.empty else 10)
    # Of a table nothing but the number of its columns is known here: its numbers go in as they are.
    given = {"shape": shape, "channels": shape[0], "outputs": answers, "classes": answers, "task": "classes"}
    given |= {"edges": [()] * math.prod(shape), "categories": ()}
    known = {name: value for name, value in given.items() if name in wanted and name not in call.keywords}
    arguments, keywords = bind(call._replace(keywords={**known, **call.keywords}), builder, "network")
    try:
        return builder(*arguments, **keywords)
    except TypeError as error:
        raise ArgumentError(f"The network {word!r} cannot be built", got=str(error)) from error


def _called_with(network: nn.Module, inputs: list[Tensor]) -> list[Tensor]:
    """The inputs, but for a network that draws pictures: for it they said what it draws, and it is called with noise."""
    from leadline.models import AdversarialPair

    return [each.new_empty(1, network.latent) for each in inputs] if isinstance(network, AdversarialPair) else inputs


_AXES: dict[int, tuple[type[nn.Module], ...]] = {1: (nn.Conv1d,), 2: (nn.Conv2d,), 3: (nn.Conv3d,)}
_OF_AXES = {1: " and steps", 2: ", height and width", 3: ", depth, height and width"}
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_FIRST = (*_CONVOLUTIONS, nn.Linear, nn.Embedding, nn.EmbeddingBag, nn.RNNBase, nn.Bilinear, nn.Flatten, nn.Unflatten)
_OF_IMAGENET = 1000  # classes; such networks take pictures of 224 × 224
_NOWHERE = "There is no network {!r}"
_EXPECTED = "a Run folder, last, FILE.py:NAME, a plan, or a name with its arguments"


def _needed(inputs: list[Tensor], word: str, such_as: str = "3x32x32") -> list[Tensor]:
    if not inputs:
        raise ArgumentError(f"What {word} takes in is not known", do=f"Say it with --input, for instance --input {such_as}.")
    return inputs


def _written(*inputs: Tensor) -> str:
    return " and ".join("x".join(map(str, each.shape[1:])) for each in inputs)
