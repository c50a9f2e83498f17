"""What trains a language model, made from a Plan: streams of the text, the step, and what judges it after each epoch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from leadline.data.dataset import Dataset
from leadline.data.tokens.token_loading import stream_of
from leadline.data.tokens.token_streams import TokenStreams
from leadline.data.tokens.tokens import Tokens
from leadline.errors import PlanError, unknown
from leadline.initialize import set_prior_bias
from leadline.losses.sampled_words import samples_of
from leadline.models.language_steps import LanguageStep, StreamEvaluation
from leadline.optim import make_average, make_clip, make_optimizer, make_schedule
from leadline.plan.listening import listeners
from leadline.plan.record import Plan
from leadline.plan.tokens import check_language_plan, varying_length
from leadline.training import Best

_LENGTH, _STREAMS = 64, 8  # of evaluation
_COLUMNS = ("valid_loss", "valid_perplexity", "valid_bits", "loss")


class LanguageParts(NamedTuple):
    """What `plan.build` puts together for a text."""

    step: Any
    batches: TokenStreams
    evaluate: StreamEvaluation
    best: Best


def language_parts(plan: Plan, dataset: Dataset, model: Any, device: torch.device, precision: torch.dtype) -> LanguageParts:
    """The step, the streams, the evaluation and the keeper of the best weights.

    Args:
        plan: with a language model.
        dataset: of a text.
        model: on the device.
        device: where it trains.
        precision: of the arithmetic.

    Errors: `PlanError` for a choice that a text does not allow.
    """
    check_language_plan(plan)
    training, tokens = plan.training, dataset.schema.inputs
    assert isinstance(tokens, Tokens)
    length, longest = training.truncation or _LENGTH, getattr(model, "context", 0)
    if longest and length > longest:
        raise PlanError(
            "The windows are longer than the transformer can see at once",
            expected=f"training.truncation of at most model.context = {longest}",
            got=length,
        )
    varies = varying_length(length, carries=model.carries)
    batches = TokenStreams(
        stream_of(dataset.train),
        training.batch,
        length=length,
        seed=training.seed,
        variable=varies,
        start=tokens.start,
        device=device,
    )
    schedule = make_schedule(training.schedule, warm_up_share=training.warm_up, epochs=training.epochs)
    optimizer = make_optimizer(
        training.optimizer,
        model,
        learning_rate=training.learning_rate,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
    )
    language_step = LanguageStep(
        model,
        optimizer,
        schedule=schedule,
        clip=make_clip(training.clip),
        penalties=(training.penalties.activation, training.penalties.temporal),
        samples=samples_of(training.loss),
        nominal_length=batches.length if varies else 0,
        precision=precision,
    )
    step = make_average(training.average, language_step)
    if training.monitor not in _COLUMNS:
        unknown("column of the history to monitor", training.monitor, _COLUMNS, PlanError)
    best = Best(training.monitor, patience=training.patience or None, min_change=training.min_change)
    valid = TokenStreams(stream_of(dataset.valid), _STREAMS, length=_LENGTH, whole=True, start=tokens.start, device=device)
    evaluate = StreamEvaluation(model, valid, then=listeners(schedule, step, best, _COLUMNS))
    return LanguageParts(step, batches, evaluate, best)


def set_frequencies(model: nn.Module, dataset: Dataset) -> None:
    """Begin with the frequencies of the training text as the answer to everything.

    Args:
        model: a language model; the bias of its last layer is set.
        dataset: of a text.
    """
    head: Any = model.head
    counts = np.bincount(np.asarray(stream_of(dataset.train)), minlength=head.out_features)
    set_prior_bias(head, torch.from_numpy(counts / counts.sum()), task="classes")
