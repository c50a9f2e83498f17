"""Fetch a file over the network: resumed where it broke off, checked, and only then given its name."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from leadline.errors import DownloadError
from leadline.files import storage

Progress = Callable[[int, int], None]
_BLOCK = 1 << 18
_ATTEMPTS = 3
_SECONDS = 30.0  # without a byte before an attempt is given up


def fetch(url: str, path: Path, *, sha256: str, packed: bool = False, progress: Progress | None = None) -> Path:
    """Download `url` to `path`, unless it is there already.

    What has come so far stays in `path` + ".part"; the next attempt, also in a later process, asks only for the rest.

    Args:
        url: http or https.
        path: the file to write; its folder is made.
        sha256: what the content must have, in hexadecimal; its first digits, where no more of it is published.
        packed: whether `sha256` is that of the content after gunzipping.
        progress: told (bytes so far, bytes in all).

    Raises:
        DownloadError: no connection after three attempts, or the content is not what it should be.
        StorageError: the disk is full or not writable.
    """
    if path.exists():
        return path
    part = path.with_name(path.name + ".part")
    with storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _fetch_all(url, part, progress)
        if not (got := _checksum(part, packed)).startswith(sha256):
            part.unlink()
            raise DownloadError(
                f"What came from {url} is not the right file", expected=f"SHA-256 {sha256}", got=got, do="Try again later."
            )
        part.replace(path)
    return path


def _fetch_all(url: str, part: Path, progress: Progress | None) -> None:
    problem: Exception | None = None
    for _ in range(_ATTEMPTS):
        try:
            if _fetch_rest(url, part, progress):
                return
            problem = None
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
            if isinstance(error, urllib.error.HTTPError):
                if error.code == 416:  # the part is as long as the file, or longer: only the checksum can tell
                    return
                error.close()
            problem = error
    reason = getattr(problem, "reason", problem) or "the connection broke off"
    raise DownloadError(f"{url} could not be downloaded: {reason}", do="Check the connection; what has come so far is kept.")


def _fetch_rest(url: str, part: Path, progress: Progress | None) -> bool:
    """One attempt; whether all of the file has come."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    response: HTTPResponse
    with urllib.request.urlopen(request, timeout=_SECONDS) as response:
        if response.status != 206:  # a server that does not resume begins anew
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else 0
        with part.open("ab" if have else "wb") as file:
            while block := response.read(_BLOCK):
                file.write(block)
                have += len(block)
                if progress is not None:
                    progress(have, max(total, have))
    return have >= total


def _checksum(path: Path, packed: bool) -> str:
    digest = hashlib.sha256()
    unpacker = zlib.decompressobj(wbits=31) if packed else None
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(unpacker.decompress(block) if unpacker else block)
    except zlib.error as error:
        return f"a damaged gzip file ({error})"
    return digest.hexdigest()
