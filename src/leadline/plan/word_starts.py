"""The first layer of a network for texts from word vectors, a Run of them or a file, matched by name."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from leadline.data.schema import Schema
from leadline.data.words.vector_sources import vector_width, vectors_from, vectors_stamp
from leadline.data.words.word_answers import CorpusWords
from leadline.errors import PlanError
from leadline.language.words.first_layers import begin_with_vectors, rows_with_vectors
from leadline.models import MODELS
from leadline.plan.record import Plan
from leadline.text.word_vectors import WordVectors

_WIDTHS = ("embedding", "width")  # what builders call the numbers of a word's vector, by preference
_SPECIAL = 2  # rows for padding and for words that are not known


def with_vector_width(plan: Plan, chosen: Collection[str]) -> Plan:
    """The Plan with a first layer as wide as the word vectors that it begins with.

    Args:
        plan: with `start.vectors`.
        chosen: keys that a person gave, which must not say otherwise.

    Errors: `PlanError` for a network without words, or a width that was chosen and is another.
    """
    if not plan.start.vectors:
        return plan
    name = plan.model.name
    if not (argument := width_of(name)):
        fitting = [each for each in MODELS if width_of(each) and each != "word2vec"]
        raise PlanError(
            f"The model {name!r} has no vectors of words to begin with",
            expected="a text, and one of " + ", ".join(fitting),
            do=f"Choose one (--set model={fitting[0]}), or leave start.vectors out.",
        )
    width, key = vector_width(plan.start.vectors), f"model.{argument}"
    if key in chosen and plan.model.arguments.get(argument) != width:
        raise PlanError(
            f"The vectors of {plan.start.vectors} do not fit this network",
            expected=f"{key} = {width}",
            got=plan.model.arguments.get(argument),
            do=f"Leave {key} out.",
        )
    return plan.but({key: width}, why=f"as many numbers as each vector of {plan.start.vectors} has")


def set_word_vectors(model: nn.Module, plan: Plan, schema: Schema) -> None:
    """Put word vectors in the place of the first weights of the words that they know, scaled to the size of these.

    Args:
        model: changed in place: its first table of vectors.
        plan: with `start.vectors`.
        schema: which says which number is which word.

    Errors: `PlanError` where the network has no vectors of words of that width, or not one word is known.
    """
    vectors, words = _vectors_of(plan, schema), _words_of(schema)
    table = next((module for module in model.modules() if isinstance(module, nn.Embedding)), None)
    if table is None or table.num_embeddings < len(words) or table.embedding_dim != vectors.width:
        raise PlanError(
            f"The vectors of {plan.start.vectors} do not fit this network",
            expected=f"a first layer with vectors of {vectors.width} numbers",
            got="none" if table is None else str(table.embedding_dim),
        )
    if not begin_with_vectors(table, words, vectors):
        raise PlanError(
            f"Not one word of these texts has a vector in {plan.start.vectors}",
            got=f"words such as {vectors_from(plan.start.vectors, most=1).words[0]!r}",
            do="Give vectors of this language, or leave start.vectors out.",
        )


def vectors_note(plan: Plan, schema: Schema) -> str:
    """How many words were found, in a sentence.

    Args:
        plan: with `start.vectors`.
        schema: of the data.
    """
    words = _words_of(schema)
    found, known = len(rows_with_vectors(words, _vectors_of(plan, schema))), sum(bool(word.strip()) for word in words)
    if not found:
        return f"Not one of {known:,} words has a vector in {plan.start.vectors}."
    return f"{found:,} of {known:,} words begin with their vectors of {plan.start.vectors}; the others begin with drawn ones."


def check_vector_start(schema: Schema) -> None:
    """Refuse word vectors for what has no words.

    Errors: `PlanError`.
    """
    if not hasattr(schema.inputs, "vocabulary") or isinstance(schema.inputs, CorpusWords):
        raise PlanError("Word vectors are for networks on texts", got=schema.inputs.describe(), do="Leave start.vectors out.")


def width_of(name: str) -> str:
    """The argument of a network that says how many numbers the vector of a word has; "" for one that has none.

    Args:
        name: of the network.

    Example:
        >>> width_of("recurrent_language"), width_of("mlp")
        ('embedding', '')
    """
    wanted = inspect.signature(MODELS[name]).parameters
    return next((each for each in _WIDTHS if each in wanted), "") if "vocabulary" in wanted else ""


class _Read(NamedTuple):
    """What was read of some vectors, and for what."""

    inputs: weakref.ref[Any]
    source: tuple[str, tuple[int, int]]
    vectors: WordVectors


_last_read: list[_Read] = []  # one at most: a plan's note, its network and each restart ask for the same


def _vectors_of(plan: Plan, schema: Schema) -> WordVectors:
    """The vectors of those words that these texts have, from a file that is read once for them while they are there."""
    inputs, source = schema.inputs, (plan.start.vectors, vectors_stamp(plan.start.vectors))
    for last in _last_read:
        if last.inputs() is inputs and last.source == source:
            return last.vectors
    whole = vectors_from(plan.start.vectors)
    rows = sorted(set(rows_with_vectors(_words_of(schema), whole).values()))
    # Their order stays, by which the first of several spellings is found.
    vectors = WordVectors([whole.words[row] for row in rows], whole.vectors[np.array(rows, np.intp)])
    _last_read[:] = [_Read(weakref.ref(inputs, _forget), source, vectors)]
    return vectors


def _forget(inputs: weakref.ref[Any]) -> None:
    _last_read[:] = [last for last in _last_read if last.inputs is not inputs]


def _words_of(schema: Schema) -> tuple[str, ...]:
    """Row by row; padding and what stands for all unknown words are none."""
    check_vector_start(schema)
    inputs: Any = schema.inputs
    words = inputs.vocabulary
    words = words if isinstance(words, tuple) else words.words
    return ("",) * _SPECIAL + tuple(words[_SPECIAL:])
