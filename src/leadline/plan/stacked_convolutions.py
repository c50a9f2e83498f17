"""How the convolutions of many networks at once are computed, as a Plan says it: one way for all, or one for each."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from leadline.errors import PlanError, unknown
from leadline.training.population.convolving import WAYS, possible_ways

AUTO = "auto"
_TOLD = 4  # convolutions whose times are told one by one


def check_ways(text: str) -> None:
    """Raise for what is neither "auto" nor ways of convolving, separated by commas.

    Errors: `PlanError` that names the nearest way.

    Example:
        >>> check_ways("grouped, unfolded")
        >>> check_ways("loped")
        Traceback (most recent call last):
        ...
        leadline.errors.PlanError: There is no way of convolving 'loped'. Expected one of auto, grouped, looped, unfolded. Did
        you mean 'looped'?
    """
    for word in [] if text == AUTO else _words(text):
        if word not in WAYS:
            unknown("way of convolving", word, (AUTO, *WAYS), PlanError)


def ways_by_layer(text: str, layers: Mapping[str, nn.Conv2d]) -> dict[str, str]:
    """The way of each convolution by its name; empty for "auto", which is measured at the first step.

    Args:
        text: "auto", one way for all, or one for each convolution in the order of the network, separated by commas.
        layers: the convolutions by name, in their order.

    Errors: `PlanError` where there are more or fewer ways than convolutions, or a convolution cannot go that way.

    Example:
        >>> layers = {"0": nn.Conv2d(3, 8, 3), "3": nn.Conv2d(8, 8, 3)}
        >>> ways_by_layer("grouped, looped", layers), ways_by_layer("unfolded", layers)
        ({'0': 'grouped', '3': 'looped'}, {'0': 'unfolded', '3': 'unfolded'})
    """
    if text == AUTO:
        return {}
    words = _words(text)
    if len(words) not in (1, len(layers)):
        raise PlanError(
            f"start.convolutions has {len(words)} ways",
            expected=f"one for each of the {len(layers)} convolutions that are computed at once, or one for all",
            got=text,
            do="Set it to auto to have them measured.",
        )
    ways = dict(zip(layers, words * len(layers) if len(words) == 1 else words, strict=False))
    for name, way in ways.items():
        if way not in (possible := possible_ways(layers[name])):
            raise PlanError(
                f"The convolution {name!r}, {layers[name]}, cannot be {way} for many networks",
                expected=" or ".join(possible),
                do="Set start.convolutions to auto to have it measured.",
            )
    return ways


def ways_as_text(ways: Mapping[str, str], layers: Mapping[str, nn.Conv2d]) -> str:
    """The inverse of `ways_by_layer`: one word where all go the same way, and "auto" where there is no convolution.

    Example:
        >>> layers = {"0": nn.Conv2d(3, 8, 3), "3": nn.Conv2d(8, 8, 3)}
        >>> ways_as_text({"3": "looped", "0": "grouped"}, layers), ways_as_text({"0": "looped", "3": "looped"}, layers)
        ('grouped, looped', 'looped')
    """
    words = [ways[name] for name in layers if name in ways]
    if len(words) < len(layers) or not words:
        return AUTO
    return words[0] if len(set(words)) == 1 else ", ".join(words)


def times_as_text(times: Mapping[str, Mapping[str, float]], networks: int) -> str:
    """What was measured, as a reason.

    Args:
        times: for each convolution the seconds, forward and backward, of each way.
        networks: how many were computed at once.

    Example:
        >>> times_as_text({"0": {"grouped": 0.002, "looped": 0.0034}}, 8)
        "measured for 8 networks, forward and backward: '0' grouped 2.00 ms, looped 3.40 ms"
    """
    told = [
        f"{name!r} " + ", ".join(f"{way} {1e3 * seconds:.2f} ms" for way, seconds in each.items())
        for name, each in list(times.items())[:_TOLD]
    ]
    more = f"; and {len(times) - _TOLD} more" if len(times) > _TOLD else ""
    return f"measured for {networks:,} networks, forward and backward: {'; '.join(told)}{more}"


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]
