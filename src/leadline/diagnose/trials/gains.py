"""Which trials gained."""

from __future__ import annotations

from collections.abc import Iterable

from leadline.diagnose.readings import Branch


def best(tried: Iterable[Branch]) -> Branch | None:
    """The branch with the largest gain beyond two standard errors, if any.

    Example:
        >>> best([Branch("rate", 0.1, 50, [], [], gain=0.1, gain_se=0.2)]) is None
        True
    """
    sure = [each for each in tried if each.gain > 2 * each.gain_se]
    return max(sure, key=lambda each: each.gain, default=None)
