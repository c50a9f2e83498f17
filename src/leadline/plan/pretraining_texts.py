"""How the layers of a network are trained beforehand, as `start.pretrain` spells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from leadline.errors import ArgumentError, PlanError
from leadline.layers.arguments import check_above_zero, check_whole
from leadline.models import corruption_of
from leadline.spelling import make


class Pretraining(NamedTuple):
    """How the layers are trained beforehand: `kind` is "rbm", "autoencoder" or "word2vec", `epochs` those of each layer.

    Example:
        >>> pretraining_of("autoencoder(epochs=5)").epochs
        5
    """

    kind: str
    epochs: int
    learning_rate: float
    corruption: str = "none"


def rbm_layers(epochs: int = 20, *, learning_rate: float = 0.1) -> Pretraining:
    """Each layer is a restricted Boltzmann machine of the layer below.

    Args:
        epochs: for each layer.
        learning_rate: of contrastive divergence, falling to 0.

    Errors: `ArgumentError` for a value out of range.

    Example:
        >>> rbm_layers().kind
        'rbm'
    """
    check_whole("The pre-training", {"epochs": epochs})
    check_above_zero("The pre-training", {"learning_rate": learning_rate})
    return Pretraining("rbm", epochs, learning_rate)


def autoencoder_layers(epochs: int = 20, *, learning_rate: float = 1e-3, corruption: str = "none") -> Pretraining:
    """Each layer is the code of an autoencoder of the layer below.

    Args:
        epochs: for each layer.
        learning_rate: of Adam.
        corruption: of what it sees, such as "masking(0.25)".

    Errors: `ArgumentError` for a value out of range, or an unknown corruption.

    Example:
        >>> autoencoder_layers(corruption="masking(0.25)").corruption
        'masking(0.25)'
    """
    check_whole("The pre-training", {"epochs": epochs})
    check_above_zero("The pre-training", {"learning_rate": learning_rate})
    corruption_of(corruption)
    return Pretraining("autoencoder", epochs, learning_rate, corruption)


def word2vec_layer(epochs: int = 0, *, learning_rate: float = 0.025) -> Pretraining:
    """The vectors of words of a language model learn first, by skip-gram, which words of the same text stand together.

    Args:
        epochs: over the text; when 0, as many as read ten million words, from 1 to 10.
        learning_rate: at the first word, falling.

    Errors: `ArgumentError` for a value out of range.

    Example:
        >>> word2vec_layer().kind
        'word2vec'
    """
    check_whole("The pre-training", {"epochs": epochs}, least=0)
    check_above_zero("The pre-training", {"learning_rate": learning_rate})
    return Pretraining("word2vec", epochs, learning_rate)


PRETRAININGS: dict[str, Callable[..., Pretraining]] = {
    "rbm": rbm_layers,
    "autoencoder": autoencoder_layers,
    "word2vec": word2vec_layer,
}


def pretraining_of(text: str) -> Pretraining:
    """What `start.pretrain` spells.

    Args:
        text: "rbm", "autoencoder" or "word2vec", or one of them with arguments.

    Errors: `ArgumentError` for an unknown name, with the nearest right one, or arguments that do not fit.

    Example:
        >>> pretraining_of("rbm(epochs=3)")
        Pretraining(kind='rbm', epochs=3, learning_rate=0.1, corruption='none')
    """
    made: Pretraining = make(text, PRETRAININGS, "pre-training")
    return made


def check_pretraining_text(text: str) -> None:
    """Refuse a text that names no pre-training.

    Errors: `PlanError` that says what it can be.

    Example:
        >>> check_pretraining_text("rbm(epochs=3)")
    """
    try:
        pretraining_of(text)
    except ArgumentError as error:
        raise PlanError(str(error)) from error
