"""AWS Signature Version 4, quick for a POST of JSON without a query, and plain for all else.

Source: AWS IAM user guide, "Create a signed AWS API request". For every service but S3 the canonical path is the path
as sent, percent-encoded once more.
"""

import hmac
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl, quote

from pilothouse_api.snapshot.credentials import AccessKey
from pilothouse_proxy.http import heads
from pilothouse_proxy.http.messages import Headers, Lines
from pilothouse_proxy.ports import NativeRequest

_CONTENT_TYPE: Final = b"application/json"
_TYPE: Final = b"content-type"
_BEDROCKS_OWN: Final = b"x-amzn-bedrock-"

_BLOCK_BYTES: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))

# The key that signs is derived by four HMACs from the secret, and is good for a day, a region and a service.
_KEYS: Final[dict[tuple[str, str, str, str], bytes]] = {}
_KEYS_MAX: Final = 256


class _Second:
    """What all requests of one second to one path have in common, as far as the body and the signature."""

    def __init__(
        self, host: str, canonical_path: str, credential: AccessKey, region: str, service: str, second: int
    ) -> None:
        stamp = datetime.fromtimestamp(second, UTC).strftime("%Y%m%dT%H%M%SZ").encode("ascii")
        shown = [(b"content-type", _CONTENT_TYPE), (b"x-amz-date", stamp)]
        signed = [(b"content-type", _CONTENT_TYPE), (b"host", host.encode("ascii")), (b"x-amz-date", stamp)]
        if credential.session_token is not None:
            token = (b"x-amz-security-token", credential.session_token.reveal().encode("ascii"))
            shown.append(token)
            signed.append(token)
        names = b";".join(name for name, _ in signed)
        date = stamp[:8].decode("ascii")
        scope = f"{date}/{region}/{service}/aws4_request".encode("ascii")
        self.request = sha256(b"POST\n%b\n\n" % canonical_path.encode("ascii"))
        self.request.update(b"".join(b"%b:%b\n" % header for header in signed))
        self.request.update(b"\n%b\n" % names)
        self.to_sign = b"AWS4-HMAC-SHA256\n%b\n%b\n" % (stamp, scope)
        # The two hashes of an HMAC (RFC 2104, section 2) as far as its key goes, which is shorter than a block: half
        # of the work on a short text.
        key = _signing_key(credential.secret_access_key.reveal(), date, region, service).ljust(_BLOCK_BYTES, b"\0")
        self.inner = sha256(key.translate(_INNER))
        self.outer = sha256(key.translate(_OUTER))
        who = b"%b/%b" % (credential.access_key_id.encode("ascii"), scope)
        start = b"AWS4-HMAC-SHA256 Credential=%b, SignedHeaders=%b, Signature=" % (who, names)
        self.lines = heads.header_lines([*shown, (b"authorization", start)]).removesuffix(b"\r\n")


def lines(
    *, host: str, canonical_path: str, body: bytes, credential: AccessKey, region: str, service: str, now: float
) -> Lines:
    """All headers of a signed JSON request but `host` and `content-length`, which the client adds.

    `host` must be what the client will send; `now` in Unix seconds; `fits` holds for the credential.
    """
    shared = _second(host, canonical_path, credential, region, service, int(now))
    request = shared.request.copy()
    request.update(sha256(body).hexdigest().encode("ascii"))
    inner, outer = shared.inner.copy(), shared.outer.copy()
    inner.update(shared.to_sign + request.hexdigest().encode("ascii"))
    outer.update(inner.digest())
    return Lines(b"".join((shared.lines, outer.hexdigest().encode("ascii"), b"\r\n")))


def headers(
    request: NativeRequest,
    *,
    host: str,
    canonical_path: str,
    credential: AccessKey,
    region: str,
    service: str,
    now: float,
) -> Headers:
    """What signs a request of any kind. As botocore does, its content type and Bedrock's own headers are signed."""
    stamp = datetime.fromtimestamp(int(now), UTC).strftime("%Y%m%dT%H%M%SZ").encode("ascii")
    added = [(b"x-amz-date", stamp)]
    if credential.session_token is not None:
        added.append((b"x-amz-security-token", credential.session_token.reveal().encode("ascii")))
    own = [(name, value) for name, value in request.headers if name == _TYPE or name.startswith(_BEDROCKS_OWN)]
    signed = sorted([*own, (b"host", host.encode("ascii")), *added])
    names = b";".join(name for name, _ in signed)
    canonical = b"%b\n%b\n%b\n%b\n%b\n%b" % (
        request.method,
        canonical_path.encode("ascii"),
        _canonical_query(request.query),
        b"".join(b"%b:%b\n" % (name, b" ".join(value.split())) for name, value in signed),
        names,
        sha256(request.body).hexdigest().encode("ascii"),
    )
    date = stamp[:8].decode("ascii")
    scope = f"{date}/{region}/{service}/aws4_request".encode("ascii")
    to_sign = b"AWS4-HMAC-SHA256\n%b\n%b\n%b" % (stamp, scope, sha256(canonical).hexdigest().encode("ascii"))
    key = _signing_key(credential.secret_access_key.reveal(), date, region, service)
    who = b"%b/%b" % (credential.access_key_id.encode("ascii"), scope)
    signature = hmac.digest(key, to_sign, "sha256").hex().encode("ascii")
    value = b"AWS4-HMAC-SHA256 Credential=%b, SignedHeaders=%b, Signature=%b" % (who, names, signature)
    return [*added, (b"authorization", value)]


def _canonical_query(query: bytes) -> bytes:
    """Parameters by name, then by value, each percent-encoded as RFC 3986 has it."""
    pairs = parse_qsl(query.decode("ascii", "replace"), keep_blank_values=True)
    encoded = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded).encode("ascii")


@lru_cache(maxsize=256)
def fits(credential: AccessKey) -> bool:
    """A line break in a key would let it write headers of its own; and no codec's message may quote it."""
    token = "" if credential.session_token is None else credential.session_token.reveal()
    key_id = credential.access_key_id
    return key_id.isascii() and key_id.isprintable() and token.isascii() and token.isprintable()


@lru_cache(maxsize=512)
def _second(host: str, canonical_path: str, credential: AccessKey, region: str, service: str, second: int) -> _Second:
    return _Second(host, canonical_path, credential, region, service, second)


def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    at = (secret, date, region, service)
    key = _KEYS.get(at)
    if key is None:
        key = hmac.digest(f"AWS4{secret}".encode(), date.encode("ascii"), "sha256")
        for part in (region, service, "aws4_request"):
            key = hmac.digest(key, part.encode("ascii"), "sha256")
        if len(_KEYS) >= _KEYS_MAX:
            _KEYS.clear()
        _KEYS[at] = key
    return key
