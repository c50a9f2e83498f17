"""Token streams: a long text, memory-mapped or not, as batches for truncated back-propagation through time.

B streams side by side, T steps of a window, N tokens.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.errors import ArgumentError, DataError
from leadline.text.vocabularies import PADDING

_SHORT_SHARE, _SPREAD, _SHORTEST = 0.05, 5.0, 5
PARTS = ("train", "valid", "test")
_SYNONYMS = {"training": "train", "validation": "valid", "val": "valid", "dev": "valid", "testing": "test"}


class TokenStreams:
    """Windows `(inputs, targets)` of B parts of a text that are read side by side, each from its beginning to its end.

    Part b is tokens bL … (b+1)L − 1; window w of an epoch is steps s … s + T − 1 of each part, and its targets are the tokens
    one further on. So row b of a window goes on where row b of the one before it stopped, and a network can carry its state.

    `variable` draws the ends of the windows anew each epoch: T is `length`, or half of it one time in twenty, give or take a
    few steps, and then fitted to the part, so that the number of windows stays the same. So it is not always the same tokens
    that see the shortest past.

    For training, the N − 1 − BL tokens that are left over when N is no multiple are left out at one end or the other, by the
    number of the epoch; `whole` pads the last part with 0 in their place, so that every token is foretold exactly once.

    What an epoch draws depends on the seed and its number alone, and it can be entered at any window.

    Shapes: ids [N] → int64 [B, T] and [B, T].

    Args:
        ids: the tokens' numbers, any whole numbers; may be memory-mapped, and is then read window by window.
        batch_size: B; fewer where the text is too short for it.
        length: T; a shorter text is one window.
        seed: of the lengths.
        variable: whether lengths vary.
        whole: whether every token must be foretold: for evaluation.
        start: the token that the text is taken to come after, so that its first is foretold too; None foretells from the
        second. device: where batches come out.

    Errors: `ArgumentError` for a size below 1 or ids that are no whole numbers; `DataError` for a text of fewer than 2 tokens.

    Example:
        >>> streams = TokenStreams(np.arange(1, 12), 2, length=3)
        >>> [(inputs.tolist(), targets.tolist()) for inputs, targets in streams][0]
        ([[1, 2, 3], [6, 7, 8]], [[2, 3, 4], [7, 8, 9]])

    Source: Williams and Peng (1990) for the windows; the variable length: Merity, Keskar and Socher (2018), Regularizing and
    optimizing LSTM language models.
    """

    def __init__(
        self,
        ids: NDArray[Any],
        batch_size: int,
        *,
        length: int = 64,
        seed: int = 0,
        variable: bool = False,
        whole: bool = False,
        start: int | None = None,
        device: torch.device | None = None,
    ) -> None:
        if batch_size < 1 or length < 1:
            raise ArgumentError(
                "The windows are too small", expected="batch_size and length of at least 1", got=(batch_size, length)
            )
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise ArgumentError(
                "The text is no list of token numbers", expected="whole numbers [N]", got=(ids.dtype, ids.shape)
            )
        self.ids, self.start, self.seed, self.variable, self.whole = ids, start, seed, variable, whole
        self.foretold = len(ids) - (start is None)
        if self.foretold < 1:
            tokens = "1 token" if len(ids) else "no token at all"
            raise DataError(
                "The text is too short to foretell anything in it",
                expected="at least 2 tokens in each of training, validation and test",
                got=tokens,
                do="Give a longer text.",
            )
        self.device = device or torch.device("cpu")
        self.batch_size = min(batch_size, self.foretold)
        whole_length, left = divmod(self.foretold, self.batch_size)
        self.part = whole_length + (whole and left > 0)
        self.left = 0 if whole else left
        if whole:  # with longer parts the last ones may be empty
            self.batch_size = math.ceil(self.foretold / self.part)
        self.length = min(length, self.part)
        # A number of windows that is the same in every epoch, so that progress within a training is known.
        mean = (1 - _SHORT_SHARE / 2) * self.length if variable else self.length
        windows = round(self.part / mean) if variable else math.ceil(self.part / self.length)
        self.windows = min(max(1, windows), self.part)

    @property
    def rows(self) -> int:
        """How many tokens are foretold in an epoch."""
        return self.foretold if self.whole else self.part * self.batch_size

    def __len__(self) -> int:
        return self.windows

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.epoch(0)

    def ends(self, epoch: int) -> list[int]:
        """Where each window of an epoch ends within its part.

        Args:
            epoch: its number.
        """
        if not self.variable:
            return [min((at + 1) * self.length, self.part) for at in range(self.windows)]
        draw = np.random.default_rng((self.seed, epoch))
        middle = np.where(draw.random(self.windows) < _SHORT_SHARE, self.length / 2, self.length)
        drawn = np.maximum(draw.normal(middle, min(_SPREAD, self.length / 8)), min(_SHORTEST, self.length))
        # Fitted to the part; at least one step each, which the order of the ends and of the steps left behind them keep.
        ends = np.rint(np.cumsum(drawn) * self.part / drawn.sum()).astype(np.int64)
        at = np.arange(1, self.windows + 1)
        ends = np.maximum.accumulate(np.maximum(ends - at, 0)) + at
        return [int(end) for end in np.minimum(ends, self.part - self.windows + at)]

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The windows of one epoch from number `first` on.

        Args:
            epoch: its number.
            first: of the windows.
        """
        offset = 0 if epoch % 2 == 0 else self.left
        ends = self.ends(epoch)
        begins = [0, *ends[:-1]]
        for begin, end in zip(begins[first:], ends[first:], strict=True):
            window = self._window(offset, begin, end)
            yield window[:, :-1], window[:, 1:]

    def _window(self, offset: int, begin: int, end: int) -> Tensor:
        """Tokens begin … end of each part, [B, end − begin + 1]: only they are read from a file."""
        table = np.full((self.batch_size, end - begin + 1), PADDING, np.int64)
        shift = 0 if self.start is None else 1  # the start stands before token 0
        for row in range(self.batch_size):
            first = offset + row * self.part + begin - shift
            before = max(0, -first)
            tokens = self.ids[first + before : first + end - begin + 1]
            # In a whole text the last part may end before the others: nothing is foretold where there is no next token.
            table[row, before : before + len(tokens)] = tokens
            if before and self.start is not None:
                table[row, 0] = self.start
        window = torch.from_numpy(table)
        if self.device.type == "cpu":
            return window
        return window.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else window.to(self.device)


def contiguous_parts(count: int, *, valid: float = 0.05, test: float = 0.05) -> dict[str, slice]:
    """Where a text of `count` tokens or characters is cut into training, validation and test: one after the other.

    What is foretold last is what comes last, as in use; nothing of a later part was read before.

    Args:
        count: of the whole.
        valid: share of validation.
        test: share of the test.

    Errors: `ArgumentError` for shares that leave nothing to train on; `DataError` for a text too short to be cut.

    Example:
        >>> contiguous_parts(1000)
        {'train': slice(0, 900, None), 'valid': slice(900, 950, None), 'test': slice(950, 1000, None)}
    """
    if not (0 < valid < 1 and 0 < test < 1 and valid + test < 1):
        raise ArgumentError(
            "The text cannot be divided so", expected="shares above 0 that leave some to train on", got=(valid, test)
        )
    sizes = [max(2, round(count * share)) for share in (valid, test)]
    train = count - sum(sizes)
    if train < 2:
        raise DataError(
            "The text is too short to be divided into training, validation and test",
            expected="at least 6 tokens, and many thousands for anything to be learned",
            got=count,
            do="Give a longer text.",
        )
    return {"train": slice(0, train), "valid": slice(train, train + sizes[0]), "test": slice(train + sizes[0], count)}


def named_parts(folder: Path) -> dict[str, Path]:
    """The files of a folder whose names say which part they are, such as ptb.train.txt, ptb.valid.txt and ptb.test.txt.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for part in ("train", "dev", "test"):
        ...     _ = (folder / f"wiki.{part}.tokens").write_text("text")
        >>> {part: path.name for part, path in named_parts(folder).items()}
        {'train': 'wiki.train.tokens', 'valid': 'wiki.dev.tokens', 'test': 'wiki.test.tokens'}

    Errors: `DataError` where two files say the same part.
    """
    found: dict[str, Path] = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")):
        for part in parts_said(path):
            if part in found:
                raise DataError(
                    f"Two files of {folder} are the {part} part",
                    got=f"{found[part].name} and {path.name}",
                    do="Leave one there.",
                )
            found[part] = path
    return {part: found[part] for part in PARTS if part in found}


def parts_said(path: Path) -> list[str]:
    """Which parts the name of a file says that it is.

    Example:
        >>> parts_said(Path("wiki.dev.txt")), parts_said(Path("trains.txt"))
        (['valid'], [])
    """
    said = {_SYNONYMS.get(word, word) for word in re.split(r"[^a-z]+", path.name.lower())}
    return [part for part in PARTS if part in said]
