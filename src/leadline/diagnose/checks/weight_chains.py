"""Layers of weights one after another: how deep they stand, and where nothing non-linear is between two of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from leadline.diagnose.checks.graph_nodes import LOOK_UPS, MATRICES, NORMS, RECURRENT, Node


@dataclass
class Stretch:
    """What lies between a layer of weights and those before it."""

    before: list[int] = field(default_factory=list)  # the layers of weights that are reached
    linear_only: list[int] = field(default_factory=list)  # those of them that are reached without anything non-linear
    operations: list[str] = field(default_factory=list)  # non-linear ones, from the near to the far
    merges: bool = False  # several streams of data are added or joined
    meets_other: bool = False  # something non-linear is reached by the linear way


def stretch_before(nodes: Sequence[Node], start: int) -> Stretch:
    """Walks from a layer back to those before it."""
    found = Stretch()
    waiting, seen = deque((each, True) for each in nodes[start].inputs), set[tuple[int, bool]]()
    while waiting:
        at, linear = waiting.popleft()
        node = nodes[at]
        if (at, linear) in seen or node.from_weights:
            continue
        seen.add((at, linear))
        if node.layer and node.name not in RECURRENT | LOOK_UPS:
            found.before.append(at)
            if linear:
                found.linear_only.append(at)
            continue
        if not node.is_linear and node.parameter is None:
            found.operations.append(node.name)
            found.meets_other |= linear
            linear = False
            if node.layer:
                found.before.append(at)
                continue
        found.merges |= linear and len({each for each in node.inputs if not nodes[each].from_weights}) > 1
        waiting.extend((each, linear) for each in node.inputs)
    return found


def linear_chains(nodes: Sequence[Node], stretches: dict[int, Stretch]) -> list[list[str]]:
    """Layers that together could be one, in order.

    Left out are those that are meant so: a narrow layer between wider ones (a code, a factored matrix), convolutions channel by
    channel, what is projected for attention or enters a recurrent layer, and sums of streams of which one is not linear.
    """
    straight = not any(each.operations for each in stretches.values())
    after: dict[str, str] = {}
    for late, stretch in stretches.items():
        early = stretch.linear_only
        alone = len({nodes[each].layer for each in early}) == 1 and not stretch.merges and not stretch.meets_other
        for each in early if alone or straight else []:
            if _could_be_one(nodes, each, late) and nodes[each].layer != nodes[late].layer:
                after.setdefault(nodes[each].layer, nodes[late].layer)
    return _joined(after)


def longest_path(nodes: Sequence[Node], stretches: dict[int, Stretch]) -> int:
    """Distinct layers on the longest way from the loss to the input; a layer that meets itself again counts once."""
    before: dict[str, set[str]] = {}
    for late, stretch in stretches.items():
        before.setdefault(nodes[late].layer, set()).update(nodes[each].layer for each in stretch.before)
    place = {layer: number for number, layer in enumerate(before)}  # the nearest to the loss first
    depth = dict.fromkeys(before, 1)
    for layer in reversed(list(before)):
        # Edges back to a layer that stands nearer to the loss close a loop in time and are left out.
        depth[layer] = 1 + max((depth[each] for each in before[layer] if place.get(each, -1) > place[layer]), default=0)
    return max(depth.values(), default=0)


def all_stretches(nodes: Sequence[Node]) -> dict[int, Stretch]:
    """By the number of the layer's node; of weights that are used more than four times the four uses nearest to the loss."""
    uses: dict[tuple[str, ...], int] = {}
    found: dict[int, Stretch] = {}
    for at, node in enumerate(nodes):
        if node.layer and uses.setdefault(tuple(node.weights), 0) < 4:
            uses[tuple(node.weights)] += 1
            found[at] = stretch_before(nodes, at)
    return found


def _could_be_one(nodes: Sequence[Node], early: int, late: int) -> bool:
    pair = (nodes[early], nodes[late])
    if any(each.name in RECURRENT | LOOK_UPS or any("_ih" in name or "_hh" in name for name in each.weights) for each in pair):
        return False
    if any(getattr(each.handle, "_saved_groups", 1) != 1 for each in pair):
        return False
    width = _channels(pair[0])
    return width >= min(pair[0].entries // max(width, 1), _channels(pair[1])) and not _attends(nodes, late)


def _channels(node: Node) -> int:
    if not node.shape:
        return 1
    return node.shape[1] if "conv" in node.name and len(node.shape) > 2 else node.shape[-1]


def _attends(nodes: Sequence[Node], layer: int) -> bool:
    """Whether what the layer gives is multiplied with other data, as queries and keys are."""
    waiting, seen = [layer], set[int]()
    while waiting and len(seen) < 400:
        at = waiting.pop()
        for user in range(at):
            if user in seen or at not in nodes[user].inputs:
                continue
            seen.add(user)
            if (nodes[user].name in MATRICES and len(nodes[user].inputs) > 1) or "attention" in nodes[user].name:
                return True
            if nodes[user].is_linear and not nodes[user].layer:
                waiting.append(user)
    return False


def _joined(after: dict[str, str]) -> list[list[str]]:
    chains = []
    for start in [layer for layer in after if layer not in after.values()]:
        chain = [start]
        while chain[-1] in after and after[chain[-1]] not in chain:
            chain.append(after[chain[-1]])
        chains.append(chain)
    return chains


def followed_by(nodes: Sequence[Node]) -> dict[str, str]:
    """Layer → the first operation after it that is not linear, or that normalizes; empty where there is none."""
    users: list[list[int]] = [[] for _ in nodes]
    for at, node in enumerate(nodes):
        for each in node.inputs:
            users[each].append(at)
    found: dict[str, str] = {}
    for start, node in enumerate(nodes):
        if not node.layer or node.layer in found:
            continue
        waiting, seen, found[node.layer] = deque(users[start]), {start}, ""
        while waiting and not found[node.layer]:
            at = waiting.popleft()
            if at in seen:
                continue
            seen.add(at)
            if nodes[at].name in NORMS or not nodes[at].is_linear:
                found[node.layer] = nodes[at].name
            elif not nodes[at].layer:
                waiting.extend(users[at])
    return found
