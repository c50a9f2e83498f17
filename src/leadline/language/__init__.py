"""Language: n-gram models, word vectors, writing with a language model, and several models as one."""

from leadline.language.gating import Gate, GatedMixture, Signed, fit_gate, surprises_and_signs
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
from leadline.language.ngrams.ngram_arpa import write_arpa
from leadline.language.ngrams.ngram_arpa_reading import ArpaModel, read_arpa
from leadline.language.ngrams.ngram_counting import NGramCounts, count_ngrams
from leadline.language.ngrams.ngram_files import open_ngrams, save_ngrams
from leadline.language.ngrams.ngram_models import NGramModel
from leadline.language.ngrams.ngram_scores import Perplexities, perplexities
from leadline.language.ngrams.ngram_smoothing import SMOOTHINGS, Smoothed, smooth
from leadline.language.ngrams.ngram_training import NGramFit, NGramSettings, fit_ngrams
from leadline.language.ngrams.ngram_writing import NGramNetwork, write_ngrams
from leadline.language.words.first_layers import begin_with_text, begin_with_vectors
from leadline.language.words.word2vec_settings import Word2vecSettings
from leadline.language.words.word2vec_training import EpochOfWords, Word2vec
from leadline.language.words.word_tests import WordTest, judge_words, rank_correlation

__all__ = [
    "SMOOTHINGS",
    "ArpaModel",
    "CacheFit",
    "EpochOfWords",
    "Foretelling",
    "Gate",
    "GatedMixture",
    "Mixture",
    "NGramCounts",
    "NGramFit",
    "NGramModel",
    "NGramNetwork",
    "NGramSettings",
    "NetworkForetelling",
    "Perplexities",
    "Signed",
    "Smoothed",
    "Word2vec",
    "Word2vecSettings",
    "WordTest",
    "begin_with_text",
    "begin_with_vectors",
    "cache_surprises",
    "count_ngrams",
    "fit_cache",
    "fit_gate",
    "fit_mixture",
    "fit_ngrams",
    "generate",
    "judge_words",
    "mixed_surprises",
    "next_probabilities",
    "open_ngrams",
    "perplexities",
    "rank_correlation",
    "read_arpa",
    "save_ngrams",
    "smooth",
    "surprises_and_signs",
    "write_arpa",
    "write_ngrams",
    "write_text",
]
