"""Language: writing with a language model, and several models as one."""

from leadline.language.generating import generate, next_probabilities, write_text
from leadline.language.mixing import (
    CacheFit,
    Foretelling,
    Mixture,
    NetworkForetelling,
    cache_surprises,
    fit_cache,
    fit_mixture,
    mixed_surprises,
)

__all__ = [
    "CacheFit",
    "Foretelling",
    "Mixture",
    "NetworkForetelling",
    "cache_surprises",
    "fit_cache",
    "fit_mixture",
    "generate",
    "mixed_surprises",
    "next_probabilities",
    "write_text",
]
