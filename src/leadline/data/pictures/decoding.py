"""From a picture file, in any mode and size, to an upright uint8 array [H, W, C] of the size asked for."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from leadline.errors import DataError, SourceNotFoundError

EXTENSIONS = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"})
UNREADABLE_EXTENSIONS = frozenset({".heic", ".heif"})
CONVERT_HINT = "Convert .heic pictures to jpg first, for instance with `magick mogrify -format jpg *.heic`."

# Only plain raster formats: PIL would also hand a file to external programs (Ghostscript), whatever its extension says.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# The turns that exchange height and width.
_SIDEWAYS = frozenset({5, 6, 7, 8})
# Above this many pixels pictures are decoded one at a time, or a few threads would fill the memory.
_LARGE = 30_000_000
_one_large_picture = threading.Lock()


def decode(source: Path | bytes, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """Decode a picture file (or its bytes) to [height, width, channels], upright, the short side scaled, the middle kept.

    JPEG is scaled down while it is decoded (by 2, 4 or 8), so a huge photo costs little time and memory.

    Args:
        source: the file, or its whole content.
        height: pixels of the result, top to bottom.
        width: pixels of the result, left to right.
        channels: 1 for grey, 3 for red, green, blue.

    Raises:
        DataError: the file is not a picture, or is damaged; the message says which file and why.
        SourceNotFoundError: there is no such file.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "red.png"
        >>> Image.new("RGB", (40, 20), "red").save(path)
        >>> decode(path, 10, 10, 3)[0, 0]
        array([255,   0,   0], dtype=uint8)
    """
    result = attempt(source, height, width, channels)
    if isinstance(result, str):
        name = "The picture" if isinstance(source, bytes) else str(source)
        if isinstance(source, Path) and not source.exists():
            raise SourceNotFoundError(f"There is no file {source}", do="Check the path.")
        raise DataError(f"{name} cannot be read as a picture: {result}", expected="a jpg, png, webp, bmp, gif or tif file")
    return result


def attempt(source: Path | bytes, height: int, width: int, channels: int) -> NDArray[np.uint8] | str:
    """As `decode`, but a picture that cannot be read gives the reason as text, so that a long job can set it aside."""
    try:
        with _quiet(), _opened(source) as image:
            # Twice the size wanted leaves the last step to a good filter; the longer side serves pictures lying sideways too.
            side = 2 * max(height, width)
            image.draft("L" if channels == 1 else "RGB", (side, side))
            if image.width * image.height > _LARGE:
                with _one_large_picture:
                    return fit(image, height, width, channels)
            return fit(image, height, width, channels)
    except Exception as error:  # corrupt bytes make PIL's decoders raise nearly anything
        return _reason(source, error)


def attempt_whole(source: Path | bytes, channels: int | None = None) -> NDArray[np.uint8] | str:
    """The whole picture at its own size, upright, [H, W, C]; a reason as text when it cannot be read.

    Args:
        source: the file, or its whole content.
        channels: 1 for grey, 3 for colour; 1 for grey pictures alone when None.
    """
    try:
        with _quiet(), _opened(source) as image:
            if image.width * image.height > _LARGE:
                with _one_large_picture:
                    return upright(image, channels)
            return upright(image, channels)
    except Exception as error:  # as in `attempt`
        return _reason(source, error)


def upright(image: Image.Image, channels: int | None = None) -> NDArray[np.uint8]:
    """A PIL image to [H, W, C] at its own size, turned as EXIF says, transparency white.

    Example:
        >>> upright(Image.new("RGBA", (6, 4))).shape, upright(Image.new("L", (6, 4), 7)).shape
        ((4, 6, 3), (4, 6, 1))
    """
    channels = channels or (1 if _is_grey(image) else 3)
    flat, turn = _flatten(image, channels), _TURNS.get(_orientation(image))
    flat = flat if turn is None else flat.transpose(turn)
    return np.array(flat, dtype=np.uint8).reshape(flat.height, flat.width, channels)


def measure(source: Path | bytes) -> tuple[int, int, bool] | str:
    """Height and width of the upright picture and whether it is grey, from the file's header; a reason when unreadable."""
    try:
        with _quiet(), _opened(source) as image:
            grey = _is_grey(image)
            width, height = image.size
            return (width, height, grey) if _orientation(image) in _SIDEWAYS else (height, width, grey)
    except Exception as error:
        return _reason(source, error)


def fit(image: Image.Image, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """A PIL image to [height, width, channels]: upright as EXIF says, scaled so that it covers the size, the middle kept.

    Transparency shows white; 16-bit values are scaled to 8; the first frame is taken. What has the size is not scaled.

    Example:
        >>> fit(Image.new("L", (6, 4), 7), 4, 6, 1).shape
        (4, 6, 1)
    """
    orientation = _orientation(image)
    rows, columns = (width, height) if orientation in _SIDEWAYS else (height, width)
    flat = _flatten(image, channels)
    scale = min(flat.width / columns, flat.height / rows)
    left, top = (flat.width - columns * scale) / 2, (flat.height - rows * scale) / 2
    box = (left, top, left + columns * scale, top + rows * scale)
    small = flat.resize((columns, rows), Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)
    if orientation in _TURNS:
        small = small.transpose(_TURNS[orientation])
    return np.array(small, dtype=np.uint8).reshape(height, width, channels)


def _is_grey(image: Image.Image) -> bool:
    return image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16")


def _flatten(image: Image.Image, channels: int) -> Image.Image:
    mode = {1: "L", 3: "RGB"}.get(channels)
    if mode is None:
        raise DataError("Pictures are decoded to 1 channel (grey) or 3 (colour)", got=channels)
    if image.mode.startswith("I"):
        values = np.clip(np.asarray(image, dtype=np.int64), 0, 65535)
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    elif image.mode == "F":
        raise DataError("its values are floats, which have no black and white", do="Load them as arrays.")
    elif image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert(mode)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF data beside sound pixels: keep the picture as it lies
        return 1


def _opened(source: Path | bytes) -> Image.Image:
    Image.init()  # formats named before their plugins are loaded make PIL fail; a second call costs nothing
    return Image.open(BytesIO(source) if isinstance(source, bytes) else source, formats=_FORMATS)


def _reason(source: Path | bytes, error: Exception) -> str:
    if isinstance(source, Path) and source.suffix.lower() in UNREADABLE_EXTENSIONS:
        return f"this format is not read. {CONVERT_HINT}"
    match error:
        case UnidentifiedImageError():
            return "its content is not a picture"
        case FileNotFoundError():
            return "the file is not there"
        case Image.DecompressionBombError():
            return f"it has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
        case MemoryError():
            return "it needs more memory than there is"
    return (str(error) or type(error).__name__).splitlines()[0]


_quiet_lock = threading.Lock()
_quiet_threads = 0
_quiet_filter = warnings.catch_warnings()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep PIL's warnings (huge picture, odd EXIF) from leaking while any thread decodes.

    `warnings.catch_warnings` changes one list for all threads, so the first thread in enters it and the last one out leaves it.
    """
    global _quiet_threads, _quiet_filter
    with _quiet_lock:
        if _quiet_threads == 0:
            _quiet_filter = warnings.catch_warnings()
            _quiet_filter.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.")
        _quiet_threads += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_threads -= 1
            if _quiet_threads == 0:
                _quiet_filter.__exit__(None, None, None)
