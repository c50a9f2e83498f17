"""Models that are counted rather than trained by steps, by the names under which a Plan asks for them."""

from __future__ import annotations

from leadline.errors import PlanError
from leadline.language import NGramSettings

COUNTED = {"ngram": NGramSettings}
"""What a person may set of each."""


def no_network(name: str) -> PlanError:
    """What to say where a network is wanted and a counted model was asked for.

    Args:
        name: of the model.

    Example:
        >>> print(no_network("ngram"))
        The model 'ngram' is counted, so there is no network to build. It is trained by: leadline train TEXT.txt --task ngram.
    """
    return PlanError(
        f"The model {name!r} is counted, so there is no network to build",
        do=f"It is trained by: leadline train TEXT.txt --task {name}.",
    )
