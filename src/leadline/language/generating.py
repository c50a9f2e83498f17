"""Writing: token after token from a language model, each drawn from what the model expects after all before it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leadline.data.tokens.tokens import Tokens
from leadline.errors import ArgumentError
from leadline.language.mixing import Foretelling
from leadline.models.language_steps import as_language_model
from leadline.text.vocabularies import PADDING, UNKNOWN

NEVER_WRITTEN = (PADDING, UNKNOWN)


def generate(
    model: nn.Module,
    ids: Sequence[int] | Tensor,
    *,
    length: int,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    seed: int = 0,
    never: Sequence[int] = NEVER_WRITTEN,
    beside: tuple[Foretelling, float] | None = None,
) -> Iterator[int]:
    """Tokens that go on from those given, one at a time.

    Each is drawn from softmax(logits / temperature), once the tokens in `never` are left out, then all but the `top_k`
    likeliest, then all but the fewest whose probabilities together reach `top_p`. Temperature 0 takes the likeliest. The
    model reads each token once and keeps its state; it is put into evaluation mode while it reads, and back.

    Args:
        model: a language model.
        ids: what was written so far, at least one token.
        length: how many tokens to write.
        temperature: 0 or more; below 1 the likely becomes likelier.
        top_p: in (0, 1]; 1 leaves nothing out.
        top_k: 0 leaves nothing out.
        seed: of the draws; the same seed gives the same text.
        never: tokens that are not written: padding and the unknown word.
        beside: another model and its weight w: p = (1 − w) p_model + w p_other, before any of this.

    Errors: `ArgumentError` for an argument out of range, nothing to go on from, or tokens that the model does not know.

    Example:
        >>> from leadline.models.language_networks import recurrent_language
        >>> model = recurrent_language(6, embedding=4, hidden=4)
        >>> with torch.no_grad():
        ...     _ = model.head.bias.copy_(torch.tensor([9.0, 9.0, 0.0, 0.0, 5.0, 4.0]))
        >>> list(generate(model, [2], length=5, temperature=0))
        [4, 4, 4, 4, 4]

    Source: Holtzman et al. (2020), The curious case of neural text degeneration, for top-p; Fan, Lewis and Dauphin (2018),
    Hierarchical neural story generation, for top-k.
    """
    reader = as_language_model(model)
    start = torch.as_tensor(ids, dtype=torch.long).reshape(-1)
    check_drawing(start, length, temperature, top_p, top_k, reader.vocabulary, never)
    if beside is not None and not 0 <= beside[1] <= 1:
        raise ArgumentError("The weight of the other model is out of range", expected="a share in [0, 1]", got=beside[1])
    return _written(model, start, length, temperature, top_p, top_k, seed, tuple(never), beside)


def _written(
    model: nn.Module,
    start: Tensor,
    length: int,
    temperature: float,
    top_p: float,
    top_k: int,
    seed: int,
    never: tuple[int, ...],
    beside: tuple[Foretelling, float] | None,
) -> Iterator[int]:
    reader, device = as_language_model(model), next(model.parameters()).device
    draw = torch.Generator().manual_seed(seed)
    state: Any = None
    unread, written = start[None].to(device), start.tolist()
    for _ in range(length):
        was_training = model.training
        model.eval()
        try:
            with torch.inference_mode():
                reading = reader.read_on(unread, state)
                logits = reader.head(reading.outputs[:, -1])[0]
        finally:
            model.train(was_training)
        state = reading.state
        log_p = logits.double().cpu().log_softmax(0)
        if beside is not None:
            other, weight = beside
            theirs = torch.from_numpy(np.asarray(other.log_probabilities(np.asarray(written)), dtype=np.float64))
            log_p = torch.logaddexp(log_p + _log(1 - weight), theirs + _log(weight))
        p = next_probabilities(log_p, temperature=temperature, top_p=top_p, top_k=top_k, never=never)
        token = int(torch.multinomial(p, 1, generator=draw))
        written.append(token)
        unread = torch.tensor([[token]], device=device)
        yield token


def next_probabilities(
    logits: Tensor, *, temperature: float = 1.0, top_p: float = 1.0, top_k: int = 0, never: Sequence[int] = ()
) -> Tensor:
    """The probabilities from which a token is drawn: [V] → float64 [V].

    Args:
        logits: or log-probabilities, [V].
        temperature: 0 gives all to the likeliest.
        top_p: the fewest tokens whose probabilities together reach this are kept; the likeliest always is.
        top_k: so many of the likeliest are kept; 0 keeps all.
        never: tokens that get 0.

    Example:
        >>> logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
        >>> [round(value, 3) for value in next_probabilities(logits, top_p=0.75).tolist()]
        [0.625, 0.375, 0.0, 0.0]
    """
    scores = logits.double().clone()
    if len(never):
        scores[list(never)] = -math.inf
    if temperature == 0:
        return torch.zeros_like(scores).index_fill_(0, scores.argmax(), 1.0)
    # The largest is put at 0 first: divided by a small temperature it would leave what a float can hold.
    p = ((scores - scores.max()) / temperature).softmax(0)
    ordered, order = p.sort(descending=True, stable=True)
    if top_k:
        ordered[top_k:] = 0.0
    if top_p < 1:
        # A token is kept while those before it do not reach the share yet.
        share = ordered / ordered.sum()
        ordered = torch.where(share.cumsum(0) - share < top_p, ordered, 0.0)
    return torch.zeros_like(p).scatter_(0, order, ordered / ordered.sum())


def write_text(
    model: nn.Module,
    tokens: Tokens,
    prompt: str = "",
    *,
    length: int = 400,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    seed: int = 0,
    beside: tuple[Foretelling, float] | None = None,
) -> Iterator[str]:
    """Text that goes on from a beginning, piece by piece as it is written, spaces standing where people put them.

    Args:
        model: a language model.
        tokens: what the texts that it learned from were turned into.
        prompt: the beginning, which is not given again; "" begins a line.
        length: how many tokens to write.
        temperature: as for `generate`.
        top_p: as for `generate`.
        top_k: as for `generate`.
        seed: as for `generate`.
        beside: as for `generate`.

    Errors: `ArgumentError` for an argument out of range, a vocabulary that is not the model's, or a prompt that holds nothing
    the model could go on from.

    Example:
        >>> from leadline.models.language_networks import recurrent_language
        >>> tokens = Tokens.learn(["to be or not to be\\n"])
        >>> model = recurrent_language(len(tokens.vocabulary), embedding=8, hidden=8)
        >>> len("".join(write_text(model, tokens, "to ", length=10)))
        10
    """
    reader = as_language_model(model)
    if reader.vocabulary != len(tokens.vocabulary):
        raise ArgumentError(
            "The vocabulary does not match the model",
            expected=f"{reader.vocabulary:,} tokens",
            got=f"{len(tokens.vocabulary):,}",
            do="Take the schema that was saved with the model.",
        )
    ids = tokens.encode(prompt).tolist()
    if not ids:
        if tokens.start is None:
            raise ArgumentError("There is nothing to go on from", expected="a beginning", do=f"Give some {tokens.by}.")
        ids = [tokens.start]
    drawn = generate(model, ids, length=length, temperature=temperature, top_p=top_p, top_k=top_k, seed=seed, beside=beside)
    return text_pieces(tokens, ids if prompt else [], drawn)


def text_pieces(tokens: Tokens, ids: list[int], drawn: Iterator[int]) -> Iterator[str]:
    """The text of each token: what the line that it belongs to has more than before.

    Args:
        tokens: how text is read.
        ids: what stands before.
        drawn: the tokens.

    Example:
        >>> tokens = Tokens.learn(["to be, or not\\n"], by="words")
        >>> "".join(text_pieces(tokens, [], iter(tokens.encode("to be, or").tolist())))
        'to be, or'
    """
    if tokens.by_characters:
        yield from (tokens.decode([token]) for token in drawn)
        return
    line = tokens.vocabulary.decode(ids)
    line = line[len(line) - line[::-1].index("\n") :] if "\n" in line else line
    shown = tokens.tokenizer.join(line)
    for token in drawn:
        line += tokens.vocabulary.decode([token])
        now = tokens.tokenizer.join(line)
        yield now[len(shown) :]
        shown = now
        if line[-1] == "\n":
            line, shown = [], ""


def check_drawing(
    start: Tensor, length: int, temperature: float, top_p: float, top_k: int, vocabulary: int, never: Sequence[int]
) -> None:
    """Refuse what nothing can be written with; the arguments are those of `generate`.

    Errors: `ArgumentError` for one out of range.
    """
    if not (math.isfinite(temperature) and temperature >= 0) or not 0 < top_p <= 1 or top_k < 0 or length < 0:
        raise ArgumentError(
            "Nothing can be written so",
            expected="temperature ≥ 0, top_p in (0, 1], top_k ≥ 0 and length ≥ 0",
            got=(temperature, top_p, top_k, length),
        )
    if not len(start):
        raise ArgumentError("There is nothing to go on from", expected="at least 1 token")
    if int(start.min()) < 0 or int(start.max()) >= vocabulary:
        raise ArgumentError(
            "The model does not know a token of the beginning", expected=f"ids from 0 to {vocabulary - 1}", got=int(start.max())
        )
    if len(set(never)) >= vocabulary:
        raise ArgumentError("No token is left to write", expected=f"fewer than {vocabulary} in `never`", got=len(set(never)))


def _log(share: float) -> float:
    return math.log(share) if share > 0 else -math.inf
