"""Secrets of Google Secret Manager, by its REST API: one GET.

https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access
"""

import base64
import binascii
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.clouds.google import GoogleTokens
from pilothouse_operator.compile.identities import Address, GoogleSecretAddress
from pilothouse_operator.ports import Fault, Fetched

_ENDPOINT = "https://secretmanager.googleapis.com"
_REGIONAL = re.compile(r"secretmanager\.([a-z0-9-]+)\.rep\.googleapis\.com")

_TIMEOUT = aiohttp.ClientTimeout(total=10, connect=5)
# A payload has 64 KiB at most, in base64.
_LONGEST = 131_072


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: Mapping[str, Any]
    retry_after_s: float | None

    def error(self) -> Mapping[str, Any]:
        found = self.body.get("error")
        return found if isinstance(found, dict) else {}


class GoogleSecretManager:
    """Reads one version a call. The call that tells the version tells the value too, so that nothing is saved by
    `known`; and a secret made anew counts from 1 again. Hence what there is, is always given.
    """

    def __init__(self, *, tokens: GoogleTokens) -> None:
        self._tokens = tokens
        self._tls: ssl.SSLContext | None = None

    async def fetch(self, address: Address, sign_in: Mapping[str, Secret], *, known: str | None) -> Fetched | None:
        """`sign_in` may hold `key`. Raises Fault."""
        if not isinstance(address, GoogleSecretAddress):
            raise TypeError(f"not an address of Google Secret Manager: {type(address).__name__}")
        url, key = _url(address), sign_in.get("key")
        token = await self._tokens.token(address.identity, key)
        answer = await self._get(address, url, token)
        if answer.status == 401:
            self._tokens.refused(address.identity, key, token)
            token = await self._tokens.token(address.identity, key)
            answer = await self._get(address, url, token)
        if answer.status != 200:
            raise _fault(address, answer)
        return _fetched(address, answer)

    async def _get(self, address: GoogleSecretAddress, url: URL, token: Secret) -> _Answer:
        try:
            # A connection a call: whoever polls comes back after minutes.
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(ssl=self._context(), force_close=True),
                    timeout=_TIMEOUT,
                    trust_env=True,
                    cookie_jar=aiohttp.DummyCookieJar(),
                ) as session,
                session.get(
                    url, headers={"Authorization": f"Bearer {token.reveal()}"}, allow_redirects=False
                ) as response,
            ):
                body = bytearray()
                async for piece in response.content.iter_chunked(16_384):
                    body += piece
                    if len(body) > _LONGEST:
                        raise _silent(address)
                return _Answer(response.status, _object(body), _retry_after_s(response.headers.get("Retry-After", "")))
        except aiohttp.ClientConnectorCertificateError as error:
            why = getattr(error.certificate_error, "verify_message", "it cannot be verified")
            message = f"the certificate of {url.host} is not trusted ({why}): who stands between us and Google?"
            raise Fault(message, reason=Reason.STORE_UNAVAILABLE, passing=False, field="endpoint") from None
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            raise _silent(address) from None

    def _context(self) -> ssl.SSLContext:
        # Tens of milliseconds to make.
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


def _url(address: GoogleSecretAddress) -> URL:
    """Regional secrets are under their location, which the name of their endpoint tells."""
    for name in ("project", "secret", "version"):
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*", getattr(address, name)):
            message = f"{getattr(address, name)!r} is no {name} of Google: it has letters, digits, - and _"
            raise Fault(message, reason=Reason.SECRET_NOT_FOUND, passing=False, field=name)
    endpoint = (address.endpoint or _ENDPOINT).rstrip("/")
    try:
        base = URL(endpoint)
    except ValueError:
        base = URL()
    if base.scheme not in {"http", "https"} or not base.host:
        message = f"{endpoint!r} is no URL of Secret Manager: it has the form {_ENDPOINT}"
        raise Fault(message, reason=Reason.STORE_UNAVAILABLE, passing=False, field="endpoint")
    regional = _REGIONAL.fullmatch(base.host)
    within = f"/locations/{regional[1]}" if regional else ""
    project, secret, version = (quote(part, safe="") for part in (address.project, address.secret, address.version))
    path = f"/v1/projects/{project}{within}/secrets/{secret}/versions/{version}:access"
    return URL(str(base.origin()) + path, encoded=True)


def _object(body: bytes | bytearray) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _retry_after_s(text: str) -> float | None:
    return float(text) if re.fullmatch("[0-9]{1,6}", text) else None


def _fetched(address: GoogleSecretAddress, answer: _Answer) -> Fetched:
    payload = answer.body.get("payload")
    encoded, checksum = (payload.get("data"), payload.get("dataCrc32c")) if isinstance(payload, dict) else (None, None)
    try:
        content = base64.b64decode(encoded if isinstance(encoded, str) else "*", validate=True)
    except (binascii.Error, ValueError):
        raise _silent(address) from None
    # An int64, which JSON carries as text.
    if checksum is not None and str(checksum) != str(_crc32c(content)):
        message = f"{_secret(address)} came damaged (its checksum is another); it is asked for again"
        raise Fault(message, reason=Reason.STORE_UNAVAILABLE, passing=True)
    try:
        value = Secret(content.decode())
    except UnicodeDecodeError:
        message = f"{_secret(address)} is no text in UTF-8: store the value itself, not an encoding of it"
        raise Fault(message, reason=Reason.SECRET_MALFORMED, passing=False, field="secret") from None
    name = answer.body.get("name")
    return Fetched(value=value, version=name.rpartition("/")[2] if isinstance(name, str) else address.version)


def _fault(address: GoogleSecretAddress, answer: _Answer) -> Fault:
    secret, status = _secret(address), answer.status
    match status:
        case 401:
            message = f"Secret Manager does not take the token that Google gave for {secret}: is endpoint Google's own?"
            return Fault(message, reason=Reason.SIGN_IN_REFUSED, passing=True)
        case 403 if "SERVICE_DISABLED" in _reasons(answer):
            message = f"{secret} cannot be read: enable secretmanager.googleapis.com in the project {address.project}"
            return Fault(message, reason=Reason.SECRET_FORBIDDEN, passing=False, field="project")
        case 403:
            message = (
                f"{secret} may not be read: grant roles/secretmanager.secretAccessor on it to the account that signs "
                "in. Google says the same of a project that does not exist"
            )
            return Fault(message, reason=Reason.SECRET_FORBIDDEN, passing=False, field="secret")
        case 404:
            message = f"there is no {secret}, or no such version: create it, or name another"
            return Fault(message, reason=Reason.SECRET_NOT_FOUND, passing=False, field="secret")
        case 400 if answer.error().get("status") == "FAILED_PRECONDITION":
            said = str(answer.error().get("message"))
            state = "destroyed: add a version" if "DESTROYED" in said else "disabled: enable it, add another version"
            message = f"the version of {secret} is {state}, or name another"
            return Fault(message, reason=Reason.SECRET_NOT_FOUND, passing=False, field="version")
        case 429:
            message = f"Secret Manager asks us to slow down (quota of the project {address.project}); it is asked later"
            return Fault(
                message,
                reason=Reason.STORE_UNAVAILABLE,
                passing=True,
                throttled=True,
                retry_after_s=answer.retry_after_s,
            )
    if status >= 500:
        message = f"Secret Manager fails with status {status}; it is asked again for {secret}"
        return Fault(message, reason=Reason.STORE_UNAVAILABLE, passing=True, retry_after_s=answer.retry_after_s)
    message = f"{secret} cannot be read: Secret Manager answers with status {status}. Check project, secret, version"
    return Fault(message, reason=Reason.STORE_UNAVAILABLE, passing=False, field="secret")


def _reasons(answer: _Answer) -> set[str]:
    details = answer.error().get("details")
    found = details if isinstance(details, list) else []
    return {str(detail.get("reason")) for detail in found if isinstance(detail, dict)}


def _silent(address: GoogleSecretAddress) -> Fault:
    where = address.endpoint or _ENDPOINT
    message = (
        f"Secret Manager at {where} does not answer, or not as it should; it is asked again for {_secret(address)}"
    )
    return Fault(message, reason=Reason.STORE_UNAVAILABLE, passing=True)


def _secret(address: GoogleSecretAddress) -> str:
    return f"secret {address.secret} (version {address.version}) of the Google project {address.project}"


def _row(index: int) -> int:
    for _ in range(8):
        index = index >> 1 ^ (0x82F63B78 if index & 1 else 0)
    return index


_ROWS = tuple(_row(index) for index in range(256))


def _crc32c(content: bytes) -> int:
    """Castagnoli's, RFC 3720 appendix B.4."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ _ROWS[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
