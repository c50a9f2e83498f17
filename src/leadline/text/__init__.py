"""From text to numbers: tokenizers, vocabularies, bags of words, text files of any size, files of tokens, vectors of words."""

from leadline.text.bags import Tfidf, bags_of_words, one_hot_rows, word_ngrams
from leadline.text.bracketed_trees import BracketedTree
from leadline.text.brackets import BracketReader, tree_from_brackets
from leadline.text.reading_text import TextReader, sample_of_text
from leadline.text.token_files import TokenFile, open_tokens, write_tokens
from leadline.text.tokenizers import CharacterTokenizer, SpacedTokenizer, WordTokenizer
from leadline.text.units import SuggestedUnit, suggested_unit
from leadline.text.vector_files import read_vectors, write_vectors
from leadline.text.vocabularies import Vocabulary, count_characters, count_tokens
from leadline.text.word_vectors import NearWord, WordVectors

__all__ = [
    "BracketReader",
    "BracketedTree",
    "CharacterTokenizer",
    "NearWord",
    "SpacedTokenizer",
    "SuggestedUnit",
    "TextReader",
    "Tfidf",
    "TokenFile",
    "Vocabulary",
    "WordTokenizer",
    "WordVectors",
    "bags_of_words",
    "count_characters",
    "count_tokens",
    "one_hot_rows",
    "open_tokens",
    "read_vectors",
    "sample_of_text",
    "suggested_unit",
    "tree_from_brackets",
    "word_ngrams",
    "write_tokens",
    "write_vectors",
]
