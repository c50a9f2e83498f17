"""How likely a trained machine or variational autoencoder makes the test rows, in nats a row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from leadline.data.dataset import Split
from leadline.models.autoencoders.output_distributions import BernoulliOutputs
from leadline.models.autoencoders.reconstruction_scores import log_likelihoods
from leadline.models.autoencoders.variational_autoencoders import VariationalAutoencoder
from leadline.models.boltzmann.annealed_sampling import annealed_log_partition, exact_log_partition, log_likelihood
from leadline.models.boltzmann.boltzmann_machines import RestrictedBoltzmannMachine
from leadline.runs.predicting import Predictor

_ROWS, _TRAIN_ROWS, _BATCH = 1000, 2000, 250
_CHAINS, _TEMPERATURES, _DRAWS = 100, 1000, 200
_WORK, _ON_DEVICE, _LEAST = 2e11, 100, 30  # operations, some ten seconds of a core; times those; rows that say something
_OF_A_UNIT = 100  # operations that drawing a unit takes as long as
_FEWEST_TEMPERATURES = 100  # with which chains find their way at all
_FEW_CHAINS = 20  # of 100: where log Z rests on fewer, its standard error is too small to be believed
NO_TIME = "How likely it makes the test rows is left out: with so many values a row that would take minutes."


def likelihood_of(predictor: Predictor, train: Split, test: Split) -> dict[str, Any] | None:
    """The mean log-likelihood of some test rows; None for a network that gives rows none, or not in time.

    Of a Boltzmann machine log p(v) = −F(v) − log Z, with log Z by annealed importance sampling: 100 chains, 1,000 temperatures,
    or fewer where these would take minutes, and none where there is no time for 100. Where it costs no more, log Z is summed.
    Of a variational autoencoder the importance-weighted bound of 200 draws, which lies below. Values between 0 and 1 are taken
    for probabilities where the network tells 0 and 1, and drawn once. Convolutions would take minutes for so many drawings:
    they get fewer rows, and where there is no time for 30 of them, none.

    Args:
        predictor: with the network.
        train: training rows, from whose means the chains start.
        test: the rows that are judged.

    Returns: "nats" and its "standard_error" over the rows, "rows", "by", and of a machine "log_partition"; of one that was
        sampled also its standard error "log_partition_error", how many chains counted, "effective_chains", and where these are
        few what that means, "doubt".
    """
    model = predictor.model
    if isinstance(model, RestrictedBoltzmannMachine):
        return _of_machine(predictor, model, train, test)
    if isinstance(model, VariationalAutoencoder):
        binary = isinstance(model.distribution, BernoulliOutputs)
        if (most := affordable_rows(model, predictor.device)) < _LEAST:
            return None
        values = log_likelihoods(model, _batches(predictor, test, most), samples=_DRAWS, binarize=binary)
        return {**_mean(values), "by": f"importance-weighted bound of {_DRAWS} draws"}
    return None


def affordable_rows(model: VariationalAutoencoder, device: torch.device) -> int:
    """For how many rows there is time to decode all draws, by the operations that one takes: the same number each time.

    Example:
        >>> from leadline.models import conv_variational_autoencoder, variational_autoencoder
        >>> cpu = torch.device("cpu")
        >>> affordable_rows(variational_autoencoder((1, 28, 28), hidden="200", code=20), cpu)
        1000
        >>> affordable_rows(conv_variational_autoencoder((3, 96, 96)), cpu) < 30
        True
    """
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        model.decode(torch.zeros(1, model.code, device=device))
    return min(_ROWS, int(_work_on(device) / (_DRAWS * max(counted.get_total_flops(), 1))))


def affordable_passes(machine: RestrictedBoltzmannMachine, device: torch.device) -> int:
    """How often there is time for a row to go up through a machine and down again: at most for all chains and temperatures.

    Example:
        >>> cpu = torch.device("cpu")
        >>> affordable_passes(RestrictedBoltzmannMachine((784,), 500), cpu)
        100000
        >>> affordable_passes(RestrictedBoltzmannMachine((128 * 128 * 3,), 512), cpu) < 10_000
        True
    """
    hidden, visible = machine.weight.shape
    work = 4 * hidden * visible + _OF_A_UNIT * (hidden + visible)
    return min(_CHAINS * _TEMPERATURES, int(_work_on(device) / work))


def _work_on(device: torch.device) -> float:
    return _WORK * (_ON_DEVICE if device.type != "cpu" else 1)


def _of_machine(predictor: Predictor, machine: RestrictedBoltzmannMachine, train: Split, test: Split) -> dict[str, Any] | None:
    generator = torch.Generator(predictor.device).manual_seed(0)
    binary = machine.visible == "bernoulli"
    passes = affordable_passes(machine, predictor.device)
    states = 2 ** (min(machine.weight.shape) if binary else len(machine.weight))

    def rows_of(split: Split, most: int) -> Tensor:
        rows = torch.cat(_batches(predictor, split, most))
        return torch.bernoulli(rows.clamp(0, 1), generator=generator) if binary else rows

    if states <= passes:
        total = exact_log_partition(machine)
        values = log_likelihood(machine, rows_of(test, _ROWS), total)
        return {**_mean(values), "by": f"the sum over all {states:,} states", "log_partition": total}
    temperatures = passes // _CHAINS
    if temperatures < _FEWEST_TEMPERATURES:
        return None
    found = annealed_log_partition(machine, rows=rows_of(train, _TRAIN_ROWS), chains=_CHAINS, temperatures=temperatures)
    values = log_likelihood(machine, rows_of(test, _ROWS), found.log_partition)
    record = {
        **_mean(values),
        "by": f"annealed importance sampling over {temperatures:,} temperatures",
        "log_partition": found.log_partition,
        "log_partition_error": found.standard_error,
        "effective_chains": found.effective_chains,
    }
    if found.effective_chains < _FEW_CHAINS:
        few = f"log Z rests on {found.effective_chains:.0f} of {_CHAINS} chains"
        record["doubt"] = f"{few}, so it is probably larger, and the rows are less likely than this"
    return record


def likelihood_sentence(found: dict[str, Any]) -> str:
    """The likelihood in words.

    Example:
        >>> told = {"nats": -95.31, "standard_error": 0.4, "rows": 1000, "by": "annealed importance sampling"}
        >>> likelihood_sentence({**told, "log_partition": 451.2, "log_partition_error": 0.12})
        '-95.3 ± 0.4 nats a row on 1,000 test rows, by annealed importance sampling: log Z 451.2 ± 0.1'
        >>> likelihood_sentence({**told, "by": "the sum over all 256 states", "log_partition": 45.2})
        '-95.3 ± 0.4 nats a row on 1,000 test rows, by the sum over all 256 states: log Z 45.2'
    """
    told = f"{found['nats']:.1f} ± {found['standard_error']:.1f} nats a row on {found['rows']:,} test rows, by {found['by']}"
    if "log_partition" in found:
        told += f": log Z {found['log_partition']:.1f}"
    if "log_partition_error" in found:
        told += f" ± {found['log_partition_error']:.1f}"
    return f"{told}; {found['doubt']}" if "doubt" in found else told


def _batches(predictor: Predictor, split: Split, most: int) -> list[Tensor]:
    """Up to so many rows of a split as the network takes them, evenly chosen."""
    count = min(len(split), most)
    places = np.linspace(0, len(split) - 1, count).round().astype(int)
    return [predictor.prepared(split.array[places[at : at + _BATCH]]) for at in range(0, count, _BATCH)]


def _mean(values: Tensor) -> dict[str, Any]:
    spread = float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return {"nats": float(values.mean()), "standard_error": spread, "rows": len(values)}
