"""Language: n-gram models, writing with a language model, and several models as one."""

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
from leadline.language.ngram_arpa import write_arpa
from leadline.language.ngram_arpa_reading import ArpaModel, read_arpa
from leadline.language.ngram_counting import NGramCounts, count_ngrams
from leadline.language.ngram_files import open_ngrams, save_ngrams
from leadline.language.ngram_models import NGramModel
from leadline.language.ngram_scores import Perplexities, perplexities
from leadline.language.ngram_smoothing import SMOOTHINGS, Smoothed, smooth
from leadline.language.ngram_training import NGramFit, NGramSettings, fit_ngrams
from leadline.language.ngram_writing import NGramNetwork, write_ngrams

__all__ = [
    "SMOOTHINGS",
    "ArpaModel",
    "CacheFit",
    "Foretelling",
    "Mixture",
    "NGramCounts",
    "NGramFit",
    "NGramModel",
    "NGramNetwork",
    "NGramSettings",
    "NetworkForetelling",
    "Perplexities",
    "Smoothed",
    "cache_surprises",
    "count_ngrams",
    "fit_cache",
    "fit_mixture",
    "fit_ngrams",
    "generate",
    "mixed_surprises",
    "next_probabilities",
    "open_ngrams",
    "perplexities",
    "read_arpa",
    "save_ngrams",
    "smooth",
    "write_arpa",
    "write_ngrams",
    "write_text",
]
