"""From text to numbers: tokenizers, vocabularies, text files of any size and files of tokens."""

from leadline.text.brackets import BracketedTree, BracketReader, tree_from_brackets
from leadline.text.reading_text import TextReader, sample_of_text
from leadline.text.token_files import TokenFile, open_tokens, write_tokens
from leadline.text.tokenizers import CharacterTokenizer, SpacedTokenizer, WordTokenizer
from leadline.text.units import SuggestedUnit, suggested_unit
from leadline.text.vocabularies import Vocabulary, count_characters, count_tokens

__all__ = [
    "BracketReader",
    "BracketedTree",
    "CharacterTokenizer",
    "SpacedTokenizer",
    "SuggestedUnit",
    "TextReader",
    "TokenFile",
    "Vocabulary",
    "WordTokenizer",
    "count_characters",
    "count_tokens",
    "open_tokens",
    "sample_of_text",
    "suggested_unit",
    "tree_from_brackets",
    "write_tokens",
]
