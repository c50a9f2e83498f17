"""Weights into a network: every name and shape compared before one number is changed, and a record of what was done."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from leadline.data.download import Progress
from leadline.errors import ArgumentError, DataError, SourceNotFoundError, nearest, unknown
from leadline.models.published_weights import PUBLISHED, published_file
from leadline.models.recognizing import recognized
from leadline.models.timm_backbones import PREFIX, timm_weights
from leadline.models.weight_files import read_weights
from leadline.spelling import counted

_HEADS = ("same", "new")
_NAMED = 4  # names that an error or a record lists before it counts the rest
_COUNTER = ".num_batches_tracked"  # which files from before 2018 lack, and nothing is computed from


@dataclass(frozen=True)
class LoadedWeights:
    """What was loaded, and what was not.

    Args:
        source: the file or the name.
        loaded: names of the tensors that now have the file's values.
        missing: names that the network has and the file has not; they keep their values.
        unexpected: names that the file has and the network has not.
        other_shapes: name → (shape in the file, shape in the network), where these differ; not loaded.
        new_head: the last layer, where it was left as it was on request; "" otherwise.

    Example:
        >>> print(LoadedWeights("net.pt", ("a", "b"), new_head="fc"))
        2 tensors from net.pt. The last layer fc is new.
    """

    source: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    other_shapes: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    new_head: str = ""

    def __str__(self) -> str:
        sentences = [f"{counted(len(self.loaded), 'tensor')} from {self.source}."]
        if self.new_head:
            sentences.append(f"The last layer {self.new_head} is new.")
        sentences += [f"{text[0].upper()}{text[1:]}." for text in self.differences()]
        return " ".join(sentences)

    def differences(self, named: int = _NAMED) -> list[str]:
        """Between file and network, in words; empty where all fits.

        Args:
            named: of each kind, so many names are listed before the rest is counted.
        """
        said = []
        if self.other_shapes:
            said.append(
                _listed(
                    [f"{name} is {_size(file)} in the file and {_size(ours)} here" for name, file, ours in self.other_shapes],
                    named,
                )
            )
        if self.missing:
            said.append(f"the file lacks {_listed(self.missing, named)}")
        if self.unexpected:
            said.append(f"the network has no {_listed(self.unexpected, named)}")
        return said


def load_weights(
    model: nn.Module,
    source: Path | str,
    *,
    head: str = "same",
    partial: bool = False,
    cache: Path | str | None = None,
    progress: Progress | None = None,
) -> LoadedWeights:
    """Give a network the weights of a file, or published ones by their name; all of them, or an error and none.

    Args:
        model: changed in place.
        source: a file or folder that `read_weights` takes, a key of `PUBLISHED`, or `timm:NAME` for those timm publishes.
        head: "same" takes the last layer from the file too; "new" leaves it as it is, for other classes.
        partial: take what fits, and list the rest in the record, in place of an error.
        cache: where downloads are kept, in place of the usual folder.
        progress: told of a download (bytes so far, bytes in all).

    Errors: `ArgumentError` for weights of another network, class number or number of channels, an unknown name or word;
    `DataError` for a file that is no state dict, or holds numbers that are not finite; `SourceNotFoundError`; `DownloadError`
    with the size and a command where weights are not on this machine.

    Example:
        >>> import tempfile, torch
        >>> path = Path(tempfile.mkdtemp()) / "net.pt"
        >>> torch.save(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 10)).state_dict(), path)
        >>> network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> load_weights(network, path, head="new").loaded
        ('0.weight', '0.bias')
    """
    if head not in _HEADS:
        unknown("head", head, _HEADS)
    name, given = _read(source, cache, progress)
    ours = {key: value for key, value in model.state_dict().items() if isinstance(value, Tensor)}
    last = last_layer(model) if head == "new" else ""
    if head == "new" and not last:
        raise ArgumentError(
            "The network has no last layer that could stay new",
            expected="a linear layer or a convolution inside it",
            do="Leave out head.",
        )
    kept = {key for key in (*ours, *given) if last and key.startswith(f"{last}.")}
    record = _compared(name, given, ours, kept, last)
    if not record.loaded or (record.differences() and not partial):
        raise _unfit(record, given, ours, last_layer(model))
    for key in record.loaded:
        if given[key].is_floating_point() and not bool(given[key].isfinite().all()):
            raise DataError(f"The weights in {name} cannot be used: {key} holds numbers that are not finite")
    model.load_state_dict({key: given[key] for key in record.loaded}, strict=False)
    return record


def last_layer(model: nn.Module) -> str:
    """The name of the layer that gives the answers: what timm calls its classifier, else the last linear layer, else the last
    convolution; "" where there is none.

    Example:
        >>> last_layer(nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten(), nn.Linear(2, 2), nn.Tanh()))
        '2'
    """
    layers = list(model.named_modules())
    if callable(of_timm := getattr(model, "get_classifier", None)):
        chosen = of_timm()
        return next((str(name) for name, module in layers if module is chosen), "")
    for kind in (nn.Linear, nn.Conv2d):
        if found := [name for name, module in layers if isinstance(module, kind)]:
            return str(found[-1])
    return ""


def _read(source: Path | str, cache: Path | str | None, progress: Progress | None) -> tuple[str, dict[str, Tensor]]:
    if not isinstance(source, str | os.PathLike) or not str(source):
        given = isinstance(source, Mapping)
        raise ArgumentError(
            "There are no weights to load",
            expected="a file, a folder, or the name of published weights",
            got="an empty text" if source == "" else f"a {type(source).__name__}",
            do="What is read already goes in by model.load_state_dict(…)." if given else None,
        )
    path = Path(source).expanduser()
    if path.is_file() or (path / "model.safetensors").is_file():
        return str(source), read_weights(path)
    word = str(source)
    if word.startswith(PREFIX):
        return word, timm_weights(word.removeprefix(PREFIX))
    if word in PUBLISHED:
        return word, read_weights(published_file(word, cache=cache, progress=progress))
    if isinstance(source, Path) or path.suffix or len(path.parts) > 1 or path.exists():
        return word, read_weights(path)  # which says what is wrong with it
    close = nearest(word, PUBLISHED)
    raise SourceNotFoundError(
        f"There are no weights {word!r}",
        expected="a file, a folder with model.safetensors in it, timm:NAME, or one of " + ", ".join(PUBLISHED),
        do=f"Did you mean {close!r}?" if close else None,
    )


def _compared(source: str, given: Mapping[str, Tensor], ours: Mapping[str, Tensor], kept: set[str], head: str) -> LoadedWeights:
    both = [key for key in ours if key in given and key not in kept]
    return LoadedWeights(
        source,
        loaded=tuple(key for key in both if given[key].shape == ours[key].shape),
        missing=tuple(key for key in ours if key not in given and key not in kept and not key.endswith(_COUNTER)),
        unexpected=tuple(key for key in given if key not in ours and key not in kept),
        other_shapes=tuple(
            (key, tuple(given[key].shape), tuple(ours[key].shape)) for key in both if given[key].shape != ours[key].shape
        ),
        new_head=head,
    )


def _unfit(record: LoadedWeights, given: Mapping[str, Tensor], ours: Mapping[str, Tensor], head: str) -> ArgumentError:
    """Why the weights do not fit, and whose they look like where that can be told."""
    file, own = recognized(given), recognized(ours)
    other = file is not None and (own is None or (file.name, file.words) != (own.name, own.words))
    if file is not None and other and ours and not _prefix_advice(given, ours):
        classes = f" for {counted(file.classes, 'class', 'classes')}" if file.classes else ""
        return ArgumentError(
            f"The weights of {record.source} do not fit this network: they are of another one",
            expected=f"those of {own.words}" if own is not None else "the names and shapes of this one",
            got=f"what looks like {file.words}{classes}: {'; '.join(record.differences(1))}",
            do=f"Build the network that they are of{f': {file.call}' if file.call else ''}.",
        )
    differences = "; ".join(record.differences()) or "it has no weights"
    return ArgumentError(
        f"The weights of {record.source} do not fit this network: {differences}", do=_advice(record, given, ours, head)
    )


def _advice(record: LoadedWeights, given: Mapping[str, Tensor], ours: Mapping[str, Tensor], head: str) -> str | None:
    """What to do about the most telling difference."""
    if said := _prefix_advice(given, ours):
        return said
    if not record.loaded:
        return "They are of another network: build the one that they were trained in." if ours else None
    wrong = [*record.missing, *record.unexpected, *(name for name, _, _ in record.other_shapes)]
    if head and all(name.startswith(f"{head}.") for name in wrong):
        return f"{_other_head(record, head)} leave the last layer {head} of the network as it is with head='new'."
    first = next(iter(ours))
    if record.other_shapes and record.other_shapes[0][0] == first and given[first].ndim == 4:
        channels, own = given[first].shape[1], ours[first].shape[1]
        if channels != own and given[first].shape[0] == ours[first].shape[0]:
            return f"They are for pictures of {channels} channels, and this network takes {own}."
    if len(record.unexpected) == len(record.missing):  # else they are hardly the same layers under other names
        for name in record.unexpected:
            if close := nearest(name, [each for each in record.missing if ours[each].shape == given[name].shape]):
                return f"Is the file's {name!r} the network's {close!r}? Rename it there."
    return "Build the network that they were trained in, or take what fits with partial=True."


def _prefix_advice(given: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> str:
    """What to do where one side has a part before all its names, and nothing else differs among them; else empty."""
    theirs, own = ([name for name in names if not name.endswith(_COUNTER)] for names in (given, ours))
    if (prefix := _prefix(theirs)) and {name.removeprefix(prefix) for name in theirs} == set(own):
        taken_off = f"{{name.removeprefix({prefix!r}): value for name, value in state.items()}}"
        return f"All names of the file begin with {prefix!r} and are the same without it: save {taken_off}, and load that."
    if (prefix := _prefix(own)) and {name.removeprefix(prefix) for name in own} == set(theirs):
        part = prefix.removesuffix(".")
        return f"All names of the network begin with {prefix!r} and are the same without it: load them into its part {part!r}."
    return ""


def _other_head(record: LoadedWeights, head: str) -> str:
    for _, file, own in record.other_shapes:
        if file and own and file[0] != own[0] and file[1:] == own[1:]:
            return f"They are for {counted(file[0], 'class', 'classes')} and this network has {own[0]:,}:"
    return f"The file has no last layer {head}{'' if record.missing else ' of this kind'}:"


def _prefix(names: Iterable[str]) -> str:
    """The parts before a dot with which all names begin."""
    common = ""
    for parts in zip(*(name.split(".")[:-1] for name in names), strict=False):
        if len(set(parts)) > 1:
            break
        common += f"{parts[0]}."
    return common


def _listed(names: Iterable[str], named: int) -> str:
    names = list(names)
    rest = len(names) - named
    return ", ".join(names[:named]) + (f" and {rest} more" if rest > 0 else "")


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "one number"
