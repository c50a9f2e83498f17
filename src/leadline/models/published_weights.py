"""Weights that others have published: where they are, how large, and what their files must be."""

from __future__ import annotations

import os
import string
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from leadline import files
from leadline.data.caching import cache_folder
from leadline.data.download import Progress, fetch
from leadline.errors import DataError, DownloadError, StorageError, unknown

_TORCH = "https://download.pytorch.org/models/"
_DIGITS = 64  # of a whole SHA-256
_AKAMASTER = "https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models/"
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""All of these networks take colours in [0, 1], less this mean, divided by this deviation: red, green, blue."""


@dataclass(frozen=True)
class PublishedWeights:
    """One file of published weights.

    Args:
        builder: the name in `MODELS` of the network that they are for.
        url: where the file is.
        sha256: of the file, whole, or its first 8 digits where no more is published; see `published_file`.
        megabytes: of the file, in units of 2²⁰ bytes.
        classes: outputs of its head.
        trained_on: what pictures.
        arguments: of the builder, beside the classes.

    Example:
        >>> PUBLISHED["resnet18"].file, PUBLISHED["resnet18"].megabytes
        ('resnet18-f37072fd.pth', 44.7)
    """

    builder: str
    url: str
    sha256: str
    megabytes: float
    classes: int
    trained_on: str
    arguments: tuple[tuple[str, object], ...] = ()

    @property
    def file(self) -> str:
        """The name of the file."""
        return self.url.rpartition("/")[2]


def _imagenet(builder: str, file: str, megabytes: float, **arguments: object) -> PublishedWeights:
    digits = file.rpartition("-")[2].removesuffix(".pth")
    return PublishedWeights(builder, _TORCH + file, digits, megabytes, 1000, "ImageNet", tuple(arguments.items()))


def _cifar(builder: str, sha256: str, megabytes: float) -> PublishedWeights:
    return PublishedWeights(builder, f"{_AKAMASTER}{builder}-{sha256[:8]}.th", sha256, megabytes, 10, "CIFAR-10")


PUBLISHED: dict[str, PublishedWeights] = {
    "alexnet": _imagenet("alexnet", "alexnet-owt-7be5be79.pth", 233.1),
    "vgg11": _imagenet("vgg11", "vgg11-8a719046.pth", 506.8),
    "vgg11_bn": _imagenet("vgg11", "vgg11_bn-6002323d.pth", 506.9, batch_norm=True),
    "vgg13": _imagenet("vgg13", "vgg13-19584684.pth", 507.5),
    "vgg13_bn": _imagenet("vgg13", "vgg13_bn-abd245e5.pth", 507.6, batch_norm=True),
    "vgg16": _imagenet("vgg16", "vgg16-397923af.pth", 527.8),
    "vgg16_bn": _imagenet("vgg16", "vgg16_bn-6c64b313.pth", 527.9, batch_norm=True),
    "vgg19": _imagenet("vgg19", "vgg19-dcbb9e9d.pth", 548.1),
    "vgg19_bn": _imagenet("vgg19", "vgg19_bn-c79401a0.pth", 548.1, batch_norm=True),
    "resnet18": _imagenet("resnet18", "resnet18-f37072fd.pth", 44.7),
    "resnet34": _imagenet("resnet34", "resnet34-b627a593.pth", 83.3),
    "resnet50": _imagenet("resnet50", "resnet50-0676ba61.pth", 97.8),
    "resnet101": _imagenet("resnet101", "resnet101-63fe2227.pth", 170.5),
    "resnet152": _imagenet("resnet152", "resnet152-394f9c45.pth", 230.4),
    "squeezenet": _imagenet("squeezenet", "squeezenet1_1-b8a52dc0.pth", 4.7),
    "resnet20": _cifar("resnet20", "12fca82f0bebc4135bf1f32f6e3710e61d5108578464b84fd6d7f5c1b04036c8", 1.0),
    "resnet32": _cifar("resnet32", "d509ac18", 1.8),
    "resnet44": _cifar("resnet44", "014dd654", 2.6),
    "resnet56": _cifar("resnet56", "4bfd97631478d6b638d2764fd2baff3edb1d7d82252d54439343b6596b9b5367", 3.3),
    "resnet110": _cifar("resnet110", "1d1ed7c2", 6.7),
}


def published_file(name: str, *, cache: Path | str | None = None, progress: Progress | None = None) -> Path:
    """The file of published weights on this machine, downloaded where it is not there yet.

    It is looked for in `weights/` below LEADLINE_DATA, in the cache of Leadline and in that of torch, and its SHA-256 is
    checked wherever it is found. Where `PUBLISHED` has no more than the first 8 digits, the whole SHA-256 of the first file
    that has them is kept in the cache of Leadline, as `FILE.sha256` where the download would lie, and from then on every file,
    and every later download, must have all 64 of them: 8 digits guard against damage, 64 against exchange.

    Args:
        name: a key of `PUBLISHED`.
        cache: the folder of downloads, in place of the usual one.
        progress: told (bytes so far, bytes in all).

    Errors: `ArgumentError` for an unknown name; `DataError` for a file of that name with other content; `DownloadError`
    where it cannot be fetched, with its size and how to fetch it by hand.

    Example:
        >>> published_file("resnet81")
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: There is no set of published weights 'resnet81'. ... Did you mean 'resnet18'?
    """
    if name not in PUBLISHED:
        unknown("set of published weights", name, PUBLISHED)
    known = PUBLISHED[name]
    target = cache_folder(cache) / "downloads" / "weights" / known.file
    sha256 = _first_seen(known, target) or known.sha256
    for path in places_of(known, cache):
        if path.is_file():
            got = files.sha256(path)
            if not got.startswith(sha256):
                raise _other_content(path, known, sha256, got, target)
            _keep(got, sha256, target)
            return path
    try:
        fetched = fetch(known.url, target, sha256=sha256, progress=progress)
    except DownloadError as error:
        raise DownloadError(
            f"The weights {name!r} ({known.megabytes:g} MB, {known.trained_on}) are not on this machine and cannot be fetched. "
            + str(error).rstrip("."),
            do=f"Elsewhere: curl -L -o {known.file} {known.url} and then put the file at {target}.",
        ) from error
    if len(sha256) < _DIGITS:
        _keep(files.sha256(fetched), sha256, target)
    return fetched


def check_published(path: Path) -> None:
    """Refuse a file that has the name of a published one and other content: what is known of that would not hold for it.

    Args:
        path: of a file of weights, wherever it lies; of another name it can hold what it likes.

    Errors: `DataError`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / PUBLISHED["resnet18"].file
        >>> _ = path.write_bytes(b"weights")
        >>> check_published(path)
        Traceback (most recent call last):
        ...
        leadline.errors.DataError: ... is not the published file of that name. Expected SHA-256 f37072fd…; got ...
    """
    known = next((each for each in PUBLISHED.values() if each.file == path.name), None)
    if known is None or (got := files.sha256(path)).startswith(known.sha256):
        return
    raise DataError(
        f"{path} is not the published file of that name",
        expected=f"SHA-256 {known.sha256}{'' if len(known.sha256) == _DIGITS else '…'}",
        got=got,
        do="Fetch it again where it is damaged; give it another name where it holds weights of your own.",
    )


def _first_seen(known: PublishedWeights, target: Path) -> str:
    """The whole SHA-256 of the first file of these weights that was here; "" where none was, or it is known anyway."""
    if len(known.sha256) == _DIGITS:
        return ""
    try:
        kept = record_of(target).read_text("ascii").strip()
    except (OSError, ValueError):  # there is none, or it is not ours
        return ""
    whole = len(kept) == _DIGITS and not set(kept) - set(string.hexdigits.lower())
    return kept if whole and kept.startswith(known.sha256) else ""


def record_of(target: Path) -> Path:
    """The file beside a download in which its SHA-256 is kept.

    Example:
        >>> record_of(Path("weights") / "resnet18-f37072fd.pth").name
        'resnet18-f37072fd.pth.sha256'
    """
    return target.with_name(target.name + ".sha256")


def _keep(whole: str, before: str, target: Path) -> None:
    """Remember a SHA-256 of which only the first digits were known; where nothing can be written, they stay what is checked."""
    if len(before) < _DIGITS:
        with suppress(StorageError, OSError):
            target.parent.mkdir(parents=True, exist_ok=True)
            files.write_text(record_of(target), whole + "\n")


def _other_content(path: Path, known: PublishedWeights, sha256: str, got: str, target: Path) -> DataError:
    if len(known.sha256) < len(sha256) and got.startswith(known.sha256):
        return DataError(
            f"{path} has the first digits of the published file, and is not the one that was here before",
            expected=f"SHA-256 {sha256}, as {record_of(target)} has kept it",
            got=got,
            do="Trust neither until you know which is right; remove the wrong file, and the kept digits if they are wrong.",
        )
    return DataError(
        f"{path} is not the published file of that name",
        expected=f"SHA-256 {sha256}{'' if len(sha256) == _DIGITS else '…'}",
        got=got,
        do="Remove it: it is then fetched anew.",
    )


def places_of(known: PublishedWeights, cache: Path | str | None = None) -> Iterator[Path]:
    """Where published weights may lie: LEADLINE_WEIGHTS, LEADLINE_DATA, our cache and that of torch, in this order.

    Example:
        >>> next(places_of(PUBLISHED["resnet18"], "/tmp/mine")).name
        'resnet18-f37072fd.pth'
    """
    if own := os.environ.get("LEADLINE_WEIGHTS"):
        yield Path(own) / known.file
    if own := os.environ.get("LEADLINE_DATA"):
        yield Path(own) / "weights" / known.file
    yield cache_folder(cache) / "downloads" / "weights" / known.file
    torch_home = os.environ.get("TORCH_HOME")
    above = Path(torch_home) if torch_home else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "torch"
    yield above / "hub" / "checkpoints" / known.file
