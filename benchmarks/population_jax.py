"""JAX's vmap over many MLPs: trains one epoch of all for each line on standard input and prints its seconds.

The whole epoch is one compiled program: a scan over batches of a step that is mapped over the networks. Written in plain
JAX, since AdamW is a few lines: same rule, rates and sizes as in `population.py`, running loss and accuracy kept, each network
with an order of its own, drawn on the host as there.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

RATE, DECAY, BETA1, BETA2, EPSILON = 1e-3, 0.01, 0.9, 0.999, 1e-8
INPUTS, HIDDEN, OUTPUTS = 64, 64, 10
Tree = dict[str, jax.Array]


def start(key: jax.Array) -> Tree:
    keys = jax.random.split(key, 4)
    shapes = {"w1": (INPUTS, HIDDEN), "b1": (HIDDEN,), "w2": (HIDDEN, OUTPUTS), "b2": (OUTPUTS,)}
    return {
        name: jax.random.uniform(own, shape, minval=-0.125, maxval=0.125)
        for own, (name, shape) in zip(keys, shapes.items(), strict=True)
    }


def judge(weights: Tree, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    hidden = jax.nn.relu(x @ weights["w1"] + weights["b1"])
    logits = hidden @ weights["w2"] + weights["b2"]
    surprise = jax.nn.logsumexp(logits, axis=1) - jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]
    return surprise.mean(), (logits.argmax(1) == y).mean()


def step(carried: tuple[Tree, Tree, Tree, jax.Array], x: jax.Array, y: jax.Array) -> Any:
    """AdamW: decay on matrices, then the corrected moments."""
    weights, means, squares, count = carried
    (loss, right), slopes = jax.value_and_grad(judge, has_aux=True)(weights, x, y)
    count = count + 1
    means = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, means, slopes)
    squares = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, squares, slopes)

    def moved(w: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
        w = w * (1 - RATE * DECAY) if w.ndim > 1 else w
        return w - RATE * (m / (1 - BETA1**count)) / (jnp.sqrt(v / (1 - BETA2**count)) + EPSILON)

    return (jax.tree.map(moved, weights, means, squares), means, squares, count), (loss, right)


def main() -> None:
    size, networks, rows = (int(word) for word in sys.argv[1:])
    generator = np.random.default_rng(0)
    inputs = jnp.asarray(generator.normal(size=(rows, INPUTS)).astype(np.float32))
    targets = jnp.asarray(generator.integers(0, OUTPUTS, rows))
    batches, rest = divmod(rows, size)

    def all_networks(carried: Any, chosen: jax.Array) -> Any:
        return jax.vmap(step)(carried, inputs[chosen], targets[chosen])

    @jax.jit
    def epoch(carried: Any, orders: jax.Array) -> Any:
        whole = orders[:, : batches * size].reshape(networks, batches, size).transpose(1, 0, 2)
        carried, (losses, right) = jax.lax.scan(all_networks, carried, whole)
        if rest > 1:  # the short last batch, as in the others
            carried, _ = all_networks(carried, orders[:, batches * size :])
        return carried, losses.mean(), right.mean()

    weights = jax.vmap(start)(jax.random.split(jax.random.key(0), networks))
    zeros = jax.tree.map(jnp.zeros_like, weights)
    carried = weights, zeros, zeros, jnp.zeros(networks)

    def order() -> np.ndarray[Any, Any]:
        return np.stack([generator.permutation(rows) for _ in range(networks)])

    carried, loss, _ = epoch(carried, order())  # compiles
    print(json.dumps({"version": jax.__version__, "device": str(jax.devices()[0]), "loss": float(loss)}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        carried, loss, right = epoch(carried, order())
        float(loss), float(right)
        print(json.dumps({"seconds": time.perf_counter() - began, "loss": float(loss)}), flush=True)


if __name__ == "__main__":
    main()
