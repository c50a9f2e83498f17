"""Networks of timm by name, `timm:convnext_tiny`, where the `hub` extra is installed."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError, DownloadError, nearest
from leadline.layers.arguments import check_dropped
from leadline.models.picture_sizes import check_pictures

PREFIX = "timm:"
Builder = Callable[..., nn.Module]


class BuilderTable(dict[str, Builder]):
    """Name → builder; a name that begins with `timm:` is found as well, though it is not listed.

    Example:
        >>> table = BuilderTable(linear=nn.Linear)
        >>> "timm:convnext_tiny" in table, "convnext_tiny" in table, list(table)
        (True, False, ['linear'])
    """

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and name.startswith(PREFIX))

    def __missing__(self, name: str) -> Builder:
        if isinstance(name, str) and name.startswith(PREFIX):
            return timm_builder(name.removeprefix(PREFIX))
        raise KeyError(name)


@functools.lru_cache(maxsize=32)
def timm_builder(name: str) -> Builder:
    """The builder of a network of timm: `builder(shape, outputs, dropout=…, drop_path=…)`, with weights that are drawn.

    Args:
        name: as timm spells it, "convnext_tiny"; a tag such as ".fb_in1k" says which published weights, and is passed over.

    Errors: `ArgumentError` where timm is not installed or has no such network; from the builder, where the pictures do not fit.
    """
    timm = _timm()
    plain = name.partition(".")[0]
    if plain not in (known := timm.list_models()):
        close = nearest(plain, known)
        raise ArgumentError(
            f"timm {timm.__version__} has no network {plain!r}",
            expected="one of timm.list_models()",
            do=f"Did you mean {PREFIX + close!r}?" if close else None,
        )

    def build(shape: Sequence[int], outputs: int, *, dropout: float = 0.0, drop_path: float = 0.0) -> nn.Module:
        check_pictures(PREFIX + plain, shape, least=1)
        check_dropped(PREFIX + plain, dropout, name="dropout")
        check_dropped(PREFIX + plain, drop_path, name="drop_path")
        wanted: dict[str, Any] = {"num_classes": outputs, "in_chans": shape[0], "drop_rate": dropout}
        if drop_path:
            wanted["drop_path_rate"] = drop_path
        # Networks with an embedding for each place of the picture are made for one size.
        config = timm.get_pretrained_cfg(plain)
        if config is not None and config.fixed_input_size:
            wanted["img_size"] = tuple(shape[1:])
        try:
            network: nn.Module = timm.create_model(plain, pretrained=False, **wanted)
            _try(network, shape, outputs)
        except (RuntimeError, TypeError, ValueError, AssertionError, ZeroDivisionError) as error:
            raise ArgumentError(
                f"timm cannot build {plain!r} for pictures of {shape[1]} × {shape[2]} and {shape[0]} channels",
                got=next(iter(str(error).strip().splitlines()), type(error).__name__),
                do="Take pictures of the size it is made for" + (f", {config.input_size[1]} pixels." if config else "."),
            ) from error
        return network

    return build


def timm_weights(name: str) -> dict[str, Tensor]:
    """The weights that timm publishes for one of its networks, fetched by timm where they are not on this machine.

    Args:
        name: as timm spells it, with or without a tag.

    Errors: `ArgumentError` as in `timm_builder`; `DownloadError` where they cannot be fetched.
    """
    timm_builder(name)
    try:
        network: nn.Module = _timm().create_model(name, pretrained=True)
    except Exception as error:  # timm, the hub and its HTTP client each have errors of their own
        tag = config.tag if "." not in name and (config := _timm().get_pretrained_cfg(name)) is not None else ""
        raise DownloadError(
            f"The weights {PREFIX}{name} are not on this machine and timm could not fetch them",
            got=next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip("."),
            do=f"Elsewhere: hf download timm/{name}{'.' if tag else ''}{tag} model.safetensors, and give that file.",
        ) from error
    return network.state_dict()


def _try(network: nn.Module, shape: Sequence[int], outputs: int) -> None:
    """One black picture through the network, which is then in training mode again."""
    network.eval()
    with torch.no_grad():
        answer = network(torch.zeros(1, *shape))
    network.train()
    if not isinstance(answer, Tensor) or answer.shape != (1, outputs):
        raise ValueError("its answer is no row of logits")


def _timm() -> Any:
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise ArgumentError(
            "Networks by the name timm:… need timm, which cannot be imported here",
            got=str(error),
            do="pip install 'leadline[hub]'",
        ) from error
