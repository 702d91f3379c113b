"""The one byte form of a snapshot, and its version.

Canonical: UTF-8 JSON, keys sorted, defaults left out, no white space: equal snapshots have equal bytes everywhere.
"""

import hashlib
from typing import Any

import msgspec

from pilothouse_api.names import SnapshotVersion
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import Credential
from pilothouse_api.snapshot.snapshot import Snapshot
from pilothouse_api.snapshot.stream import Renewal, StreamLine


def _reveal(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(f"no canonical form for {type(value).__name__}")


def _conceal(kind: type[Any], value: object) -> Secret:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError(f"no value of {kind} in a snapshot")


_encoder = msgspec.json.Encoder(enc_hook=_reveal, order="sorted")
_decoder = msgspec.json.Decoder(Snapshot, dec_hook=_conceal)
_line_decoder: msgspec.json.Decoder[StreamLine] = msgspec.json.Decoder(StreamLine, dec_hook=_conceal)
_FINGERPRINT_CHARS = 16


def encode(snapshot: Snapshot) -> bytes:
    """The canonical bytes. They hold secrets: they go over TLS or to a file of mode 0600, nowhere else."""
    return _encoder.encode(snapshot)


def decode(encoded: bytes | msgspec.Raw) -> Snapshot:
    """Inverse of `encode`; ignores fields that this version does not know.

    Raises:
        msgspec.ValidationError: naming the path that does not fit.
        msgspec.DecodeError: not JSON.
    """
    return _decoder.decode(encoded)


def version(encoded: bytes | msgspec.Raw) -> SnapshotVersion:
    """The version of canonical bytes."""
    return SnapshotVersion("sha256:" + hashlib.sha256(encoded).hexdigest())


def encode_renewal(renewal: Renewal) -> bytes:
    """Its line of the control stream, without the line's end. It holds secrets, as a snapshot does."""
    return _encoder.encode(renewal)


def decode_line(line: bytes) -> StreamLine:
    """One line of the control stream.

    Raises:
        msgspec.ValidationError: naming the path that does not fit.
        msgspec.DecodeError: not JSON.
    """
    return _line_decoder.decode(line)


def fingerprint(credential: Credential) -> str:
    """Tells one credential from another, and nothing of what it holds: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(_encoder.encode(credential)).hexdigest()[:_FINGERPRINT_CHARS]
