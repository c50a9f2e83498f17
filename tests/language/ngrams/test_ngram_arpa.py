"""ARPA files: written, read back, read from other programs, and refused where something is missing."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from ngram_references import ArpaFile

from leadline.errors import ArgumentError, DataError, SourceNotFoundError
from leadline.language import NGramSettings, fit_ngrams, read_arpa, write_arpa
from leadline.text.vocabularies import Vocabulary

LINES = ["the cat sat on the mat", "the dog sat", "a cat", "a dog saw the cat on a mat", "the cat saw <unk>"] * 3
SMALL = """
\\data\\
ngram 1=5
ngram 2=3
ngram 3=1

\\1-grams:
-1.2\t<unk>
-99\t<s>\t-0.4
-0.7\t</s>
-0.5\ta\t-0.2
-0.6 b -0.1

\\2-grams:
-0.2\t<s> a\t-0.05
-0.3\ta b
-0.25\ta </s>

\\3-grams:
-0.1\t<s> a b

\\end\\
"""

# log10 p of each word and of the end: what `kenlm.Model("scored_by_kenlm.arpa").full_scores(line, bos=True, eos=True)` gives
# in KenLM's Python module 0.3.0. The file is `write_arpa(*counted(order=4), …)`.
SCORED_BY_KENLM = {
    "the cat sat on the mat": [-0.254641, -0.209908, -0.440168, -0.101841, -0.100627, -0.110674, -0.039718],
    "a dog saw the cat on a mat": [
        *(-0.449548, -0.499236, -0.101841, -0.100627, -0.076992, -0.212584, -0.101841, -0.106021, -0.039718)
    ],
    "mat mat dog the": [-2.011956, -1.437925, -1.437925, -1.08715, -1.049362],
    "unheard the cat of": [-1.847257, -1.08715, -0.455712, -1.273226, -0.521684],
    "the cat saw <unk>": [-0.254641, -0.209908, -0.440168, -0.097247, -0.083437],
    "on a mat the dog sat": [-2.011956, -0.785494, -0.246582, -1.99024, -0.999232, -0.235125, -0.095566],
    "": [-1.799484],
}


def counted(smoothing: str = "modified_kneser_ney", order: int = 3):  # type: ignore[no-untyped-def]
    vocabulary = Vocabulary.from_counts({word: 9 for line in LINES for word in line.split()} | {"\n": 10})
    tokens = [token for line in LINES for token in [*line.split(), "\n"]]
    ids, end = vocabulary.encode(tokens), vocabulary.numbers["\n"]
    model = fit_ngrams(ids, len(vocabulary), boundary=end, settings=NGramSettings(order, smoothing)).model
    return model, vocabulary


@pytest.mark.parametrize("smoothing", ["modified_kneser_ney", "kneser_ney", "katz"])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_what_is_written_means_the_same_to_a_plain_reader_and_to_ours(tmp_path: Path, smoothing: str, order: int) -> None:
    model, vocabulary = counted(smoothing, order)
    write_arpa(model, vocabulary, tmp_path / "m.arpa")
    plain = ArpaFile(tmp_path / "m.arpa")
    ours, words = read_arpa(tmp_path / "m.arpa")
    same, _ = read_arpa(tmp_path / "m.arpa", vocabulary)
    assert (ours.order, ours.sizes) == (order, model.sizes)
    for line in (*LINES[:5], "mat mat dog the", "unheard the cat of", ""):
        spelled = [word if word in vocabulary else "<unk>" for word in line.split()]
        expected = plain.sentence(spelled)
        for reader, known in ((model, vocabulary), (ours, words), (same, vocabulary)):
            ids = known.encode([*line.split(), "\n"])
            np.testing.assert_allclose(-reader.surprises(ids), expected, rtol=1e-5, err_msg=line)


def test_a_file_of_another_program_is_read(tmp_path: Path) -> None:
    path = tmp_path / "small.arpa"
    path.write_text(SMALL)
    model, vocabulary = read_arpa(path)
    a, b, end = (vocabulary.numbers[word] for word in ("a", "b", "\n"))
    plain = {
        ((end,), a): -0.2,
        ((end, a), b): -0.1,
        ((end, a), end): -0.05 - 0.25,
        ((a, b), b): -0.1 - 0.6,
        ((b, a), b): -0.3,
        ((a,), 1): -0.2 - 1.2,
        ((end,), b): -0.4 - 0.6,
    }
    for (past, word), expected in plain.items():
        assert model.query(word, past) / np.log(10) == pytest.approx(expected, rel=1e-5)
    zipped = tmp_path / "small.arpa.gz"
    zipped.write_bytes(gzip.compress(SMALL.encode()))
    np.testing.assert_array_equal(read_arpa(zipped).model.surprises(np.array([a, b])), model.surprises(np.array([a, b])))


def test_a_compressed_file_is_written(tmp_path: Path) -> None:
    model, vocabulary = counted()
    write_arpa(model, vocabulary, tmp_path / "m.arpa")
    write_arpa(model, vocabulary, tmp_path / "m.arpa.gz")
    assert gzip.decompress((tmp_path / "m.arpa.gz").read_bytes()) == (tmp_path / "m.arpa").read_bytes()


def test_characters_with_spaces_and_line_ends_come_back(tmp_path: Path) -> None:
    odd = ["<s>", "<UNK>", "<U+0020>", "<U+"]
    vocabulary = Vocabulary.from_counts(dict.fromkeys([*" \n\tab", *odd], 3))
    ids = vocabulary.encode([*"a b\nab\tb a b", *odd, " ", *odd])
    model = fit_ngrams(ids, len(vocabulary), order=3).model
    write_arpa(model, vocabulary, tmp_path / "m.arpa")
    read, words = read_arpa(tmp_path / "m.arpa")
    assert (read.boundary, set(words.words)) == (None, set(vocabulary.words))
    other = [*"b a\n<", *odd, " ", "<UNK>"]
    np.testing.assert_allclose(read.surprises(words.encode(other)), model.surprises(vocabulary.encode(other)), rtol=1e-5)


def test_a_vocabulary_may_have_words_that_the_file_lacks_and_not_the_other_way_round(tmp_path: Path) -> None:
    path = tmp_path / "small.arpa"
    path.write_text(SMALL)
    model, _ = read_arpa(path, Vocabulary.from_counts({"a": 3, "b": 2, "c": 1, "\n": 4}))
    assert model.query(5) == -np.inf
    with pytest.raises(DataError, match="has the word 'b', which the vocabulary lacks"):
        read_arpa(path, Vocabulary.from_counts({"a": 3, "\n": 4}))


def test_marks_in_the_wrong_place_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "odd.arpa"
    path.write_text(SMALL.replace("ngram 2=3", "ngram 2=5").replace("-0.3\ta b", "-0.3\ta b\n-2\ta <s>\n-2\t</s> a"))
    assert len(read_arpa(path).model.levels[1].codes) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("\\data\\", ""), "is no ARPA file"),
        (("ngram 1=5\nngram 2=3\nngram 3=1\n", ""), "does not say how many n-grams"),
        (("ngram 2=3", "ngram 2=many"), "Line 4 of .* cannot be read. Expected ngram 2=NUMBER"),
        (("ngram 2=3", "ngram 2=4"), "as many 2-grams as it says. Expected 4; got 3"),
        (("ngram 1=5", "ngram 1=4"), "as many 1-grams as it says. Expected 4; got 5"),
        (("\\2-grams:\n", ""), "as many 1-grams|cannot be read"),
        (("\\2-grams:", "\\4-grams:"), r"lacks the section \\2-grams:.*got '\\\\4-grams:' in line 14"),
        (("\\3-grams:\n-0.1\t<s> a b\n\n\\end\\\n", ""), r"lacks the section \\3-grams:.*end of the file"),
        (("\\end\\\n", ""), r"does not end with \\end\\"),
        (("-0.3\ta b", "-0.3\ta c"), r"Line 16 of .* only words of the section"),
        (("-0.3\ta b", "x\ta b"), "Line 16 of .* a logarithm of 0 or less, 2 words"),
        (("-0.3\ta b", "0.3\ta b"), "Line 16 of .* a logarithm of 0 or less"),
        (("-0.3\ta b", "-0.3\ta"), "Line 16 of .* 2 words"),
        (("-0.3\ta b", "nan\ta b"), "Line 16 of"),
        (("-0.3\ta b", "-0.3\ta b\tinf"), "Line 16 of"),
        (("-0.3\ta b", "-0.3\ta </s>"), "the 2-gram 'a <s>' comes twice"),
        (("-0.6 b -0.1", "-0.6 a -0.1"), "has the word 'a' twice"),
        (("<s> a b", "<s> b a"), "the 3-gram '<s> b a' begins with an n-gram that the file does not list"),
    ],
)
def test_a_damaged_file_is_refused_with_what_is_wrong(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "bad.arpa"
    assert change[0] in SMALL
    path.write_text(SMALL.replace(*change))
    with pytest.raises(DataError, match=message):
        read_arpa(path)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="There is no file"):
        read_arpa(tmp_path / "none.arpa")
    cut = tmp_path / "cut.arpa.gz"
    cut.write_bytes(gzip.compress(SMALL.encode())[:-20])
    with pytest.raises(DataError, match="cannot be read to its end"):
        read_arpa(cut)
    empty = tmp_path / "empty.arpa"
    empty.write_bytes(b"")
    with pytest.raises(DataError, match="is no ARPA file"):
        read_arpa(empty)


def test_what_the_form_cannot_hold_is_refused(tmp_path: Path) -> None:
    model, vocabulary = counted("add_k")
    with pytest.raises(ArgumentError, match="cannot hold a model that was smoothed by add-k"):
        write_arpa(model, vocabulary, tmp_path / "m.arpa")
    model, _ = counted()
    with pytest.raises(ArgumentError, match="vocabulary is not that of the model"):
        write_arpa(model, Vocabulary.from_counts({"a": 1}), tmp_path / "m.arpa")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("line", SCORED_BY_KENLM)
def test_probabilities_are_those_that_kenlm_gives_for_the_same_file(line: str) -> None:
    model, vocabulary = read_arpa(Path(__file__).with_name("scored_by_kenlm.arpa"))
    found = -model.surprises(vocabulary.encode([*line.split(), "\n"])) / np.log(10)
    np.testing.assert_allclose(found, SCORED_BY_KENLM[line], atol=2e-6)


def test_rows_of_word_numbers_are_not_listed_one_by_one(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(250)]
    pairs = [f"-1\t{one} {other}" for one in words for other in words]
    head = f"\\data\\\nngram 1={len(words)}\nngram 2={len(pairs)}\n\n\\1-grams:\n"
    singles = "".join(f"-2\t{word}\t-0.1\n" for word in words)
    (tmp_path / "m.arpa").write_text(head + singles + "\n\\2-grams:\n" + "\n".join(pairs) + "\n\n\\end\\\n")
    tracemalloc.start()
    try:
        model, _ = read_arpa(tmp_path / "m.arpa")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert model.sizes[1] == len(pairs)
    assert peak < 120 * len(pairs), f"{peak / len(pairs):.0f} bytes for each"


def test_kenlm_gives_the_same_probabilities(tmp_path: Path) -> None:
    kenlm = pytest.importorskip("kenlm", reason="KenLM is not installed")
    model, vocabulary = counted(order=4)
    write_arpa(model, vocabulary, tmp_path / "m.arpa")
    theirs = kenlm.Model(str(tmp_path / "m.arpa"))
    for line in (*LINES[:5], "mat mat dog the", "unheard the cat of"):
        scores = [p * np.log(10) for p, _, _ in theirs.full_scores(line, bos=True, eos=True)]
        np.testing.assert_allclose(-model.surprises(vocabulary.encode([*line.split(), "\n"])), scores, rtol=1e-5)
