"""The last good configuration on disk, so that a proxy starts while its operator is away.

Two files, each replaced as a whole: the snapshot, two lines as they came off the control stream (hello, publication);
and the credentials that end, one line (a renewal). They are secret: mode 0600, on a volume in memory. The first one's
modification time says when the operator was last heard.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pilothouse_api.names import ProviderKey
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import Credential
from pilothouse_api.snapshot.stream import Hello, Publication, Renewal
from pilothouse_proxy import runtime

FILE = "snapshot.ndjson"
RENEWALS_FILE = "renewals.ndjson"
_PRIVATE = stat.S_IRUSR | stat.S_IWUSR

_hello = msgspec.json.Decoder(Hello)
_publication = msgspec.json.Decoder(Publication)


class Unreadable(Exception):
    """There is a file, but no configuration can be had from it. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastGood:
    """`heard` in Unix seconds."""

    hello: Hello
    publication: Publication
    heard: float


def load(directory: Path) -> LastGood | None:
    """What was saved last; None if nothing was.

    Raises:
        Unreadable: the file cannot be read, or is not what `save` writes.
    """
    path = directory / FILE
    try:
        hello, publication, *_ = path.read_bytes().split(b"\n")
        heard = path.stat().st_mtime
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Unreadable(f"{path}: {error}") from error
    try:
        return LastGood(hello=_hello.decode(hello), publication=_publication.decode(publication), heard=heard)
    except msgspec.MsgspecError as error:
        raise Unreadable(f"{path}: {error}") from error


def save(directory: Path, *, hello: bytes, publication: bytes) -> None:
    """Replace the file as a whole: whoever reads it, at any moment, finds the old or the new.

    Raises:
        OSError: it cannot be written; the old one is still there.
    """
    _replace(directory / FILE, hello.rstrip(b"\n") + b"\n" + publication.rstrip(b"\n") + b"\n")


def load_renewed(directory: Path, *, now: float) -> dict[ProviderKey, Credential]:
    """The credentials of `save_renewed`, without those that have ended by `now` (Unix seconds). Empty: none was saved.

    Raises:
        Unreadable: the file cannot be read, or is not what `save_renewed` writes.
    """
    path = directory / RENEWALS_FILE
    try:
        line = canonical.decode_line(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise Unreadable(f"{path}: {error}") from error
    if not isinstance(line, Renewal):
        raise Unreadable(f"{path}: it is no renewal")
    return {key: credential for key, credential in line.credentials.items() if runtime.ends(credential) > now}


def save_renewed(directory: Path, credentials: Mapping[ProviderKey, Credential]) -> None:
    """Replace the file, or remove it when there are none.

    Raises:
        OSError: as `save`.
    """
    path = directory / RENEWALS_FILE
    if credentials:
        _replace(path, canonical.encode_renewal(Renewal(credentials=dict(credentials))) + b"\n")
    else:
        path.unlink(missing_ok=True)


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def touch(directory: Path, *, heard: float) -> None:
    """Note that the operator was heard at `heard` (Unix seconds) and has nothing newer."""
    try:
        os.utime(directory / FILE, (heard, heard))
    except OSError:
        # It only makes the file look older than it is, which errs on the safe side.
        pass
