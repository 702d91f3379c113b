"""Signature Version 4, verified.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. The canonical path is the
path as it stood on the request line, percent-encoded once more: a client that sent `%3A` signed `%253A`, one that sent
`:` signed `%3A`; both are right.
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from tests.simulators.credentials import AccessKey
from tests.simulators.wire.server import Request

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SKEW_S: Final = 300
_FORMAT: Final = "%Y%m%dT%H%M%SZ"
SERVICE: Final = "bedrock"
_EMPTY_SHA256: Final = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not who it claims to be; always status 403."""

    name: str
    message: str


_MISSING: Final = Refusal("MissingAuthenticationTokenException", "Missing Authentication Token")
_UNKNOWN: Final = Refusal("UnrecognizedClientException", "The security token included in the request is invalid.")
_EXPIRED: Final = Refusal("ExpiredTokenException", "The security token included in the request is expired")
_MISMATCH: Final = Refusal(
    "InvalidSignatureException",
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details.",
)


@dataclass(frozen=True, slots=True)
class _Authorization:
    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str


def verify(
    request: Request, *, keys: Mapping[str, AccessKey], now: float, region: str, service: str = SERVICE
) -> AccessKey | Refusal:
    """Whose request this is. `now` is in Unix seconds."""
    header = request.header(b"authorization")
    if header is None:
        return _MISSING
    parsed = _parse(header.decode("latin-1"))
    if isinstance(parsed, Refusal):
        return parsed
    stamp = (request.header(b"x-amz-date") or b"").decode("latin-1")
    sent_token = request.header(b"x-amz-security-token")
    refusal = _scope(parsed, stamp=stamp, region=region, service=service) or _signed(
        parsed, with_token=sent_token is not None
    )
    if refusal is not None:
        return refusal
    key = keys.get(parsed.access_key_id)
    if key is None or (key.session_token or "").encode() != (sent_token or b""):
        return _UNKNOWN
    refusal = _clock(stamp, now)
    if refusal is not None:
        return refusal
    told = request.header(b"x-amz-content-sha256")
    if told is not None and told.decode("latin-1") != hashlib.sha256(request.body).hexdigest():
        return _MISMATCH
    expected = _signature(request, parsed, stamp=stamp, secret=key.secret_access_key)
    if expected is None or not hmac.compare_digest(expected, parsed.signature):
        return _MISMATCH
    if key.expires_at is not None and now >= key.expires_at:
        return _EXPIRED
    return key


def _parse(header: str) -> _Authorization | Refusal:
    algorithm, _, rest = header.partition(" ")
    fields = {}
    for part in rest.split(","):
        name, _, value = part.strip().partition("=")
        fields[name] = value
    missing = [name for name in ("Credential", "Signature", "SignedHeaders") if not fields.get(name)]
    if algorithm != _ALGORITHM or missing:
        needs = " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
        return Refusal("IncompleteSignatureException", needs or f"Unsupported algorithm '{algorithm}'")
    credential = fields["Credential"].split("/")
    if len(credential) != 5 or credential[4] != "aws4_request":
        return Refusal(
            "IncompleteSignatureException",
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{fields['Credential']}'",
        )
    access_key_id, date, region, service, _ = credential
    signed_headers = tuple(fields["SignedHeaders"].split(";"))
    return _Authorization(access_key_id, date, region, service, signed_headers, fields["Signature"])


def _scope(parsed: _Authorization, *, stamp: str, region: str, service: str) -> Refusal | None:
    if parsed.region != region:
        return Refusal(
            "InvalidSignatureException", f"Credential should be scoped to a valid region, not '{parsed.region}'."
        )
    if parsed.service != service:
        return Refusal("InvalidSignatureException", f"Credential should be scoped to correct service: '{service}'.")
    if _epoch(stamp) is None:
        return Refusal(
            "IncompleteSignatureException",
            f"Date must be in ISO-8601 'basic format'. Got '{stamp}'. See http://en.wikipedia.org/wiki/ISO_8601",
        )
    if parsed.date != stamp[:8]:
        return Refusal(
            "InvalidSignatureException",
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{parsed.date}' != '{stamp[:8]}', from '{stamp}'.",
        )
    return None


def _signed(parsed: _Authorization, *, with_token: bool) -> Refusal | None:
    if "host" not in parsed.signed_headers:
        return Refusal(
            "InvalidSignatureException",
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        )
    needed = ["x-amz-date", *(["x-amz-security-token"] if with_token else [])]
    left_out = [name for name in needed if name not in parsed.signed_headers]
    if left_out:
        return Refusal(
            "InvalidSignatureException",
            f"There were headers present in the request which were not signed: {', '.join(left_out)}",
        )
    return None


def _clock(stamp: str, now: float) -> Refusal | None:
    sent = _epoch(stamp)
    assert sent is not None
    server = time.strftime(_FORMAT, time.gmtime(now))
    if now - sent > _SKEW_S:
        earliest = time.strftime(_FORMAT, time.gmtime(now - _SKEW_S))
        return Refusal(
            "InvalidSignatureException",
            f"Signature expired: {stamp} is now earlier than {earliest} ({server} - 5 min.)",
        )
    if sent - now > _SKEW_S:
        latest = time.strftime(_FORMAT, time.gmtime(now + _SKEW_S))
        return Refusal(
            "InvalidSignatureException",
            f"Signature not yet current: {stamp} is still later than {latest} ({server} + 5 min.)",
        )
    return None


def _signature(request: Request, parsed: _Authorization, *, stamp: str, secret: str) -> str | None:
    """The signature that this request should carry; None if a signed header is absent."""
    values: dict[str, str] = {}
    for raw_name, raw_value in request.headers:
        header, text = raw_name.decode("latin-1"), " ".join(raw_value.decode("latin-1").split())
        values[header] = f"{values[header]},{text}" if header in values else text
    lines = []
    for name in parsed.signed_headers:
        if name not in values:
            return None
        lines.append(f"{name}:{values[name]}\n")
    canonical = "\n".join(
        (
            request.method.decode("latin-1"),
            _canonical_path(request.path),
            _canonical_query(request.query),
            "".join(lines),
            ";".join(parsed.signed_headers),
            hashlib.sha256(request.body).hexdigest() if request.body else _EMPTY_SHA256,
        )
    )
    scope = f"{parsed.date}/{parsed.region}/{parsed.service}/aws4_request"
    digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
    to_sign = f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}"
    key = _signing_key(secret, parsed.date, parsed.region, parsed.service)
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


@lru_cache(maxsize=1024)
def _canonical_path(path: bytes) -> str:
    return quote(path, safe="/~")


def _canonical_query(query: bytes) -> str:
    if not query:
        return ""
    pairs = [pair.partition("=")[::2] for pair in query.decode("latin-1").split("&")]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


@lru_cache(maxsize=64)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = hmac.digest(f"AWS4{secret}".encode(), date.encode(), "sha256")
    for part in (region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


@lru_cache(maxsize=256)
def _epoch(stamp: str) -> int | None:
    try:
        return calendar.timegm(time.strptime(stamp, _FORMAT))
    except ValueError:
        return None
