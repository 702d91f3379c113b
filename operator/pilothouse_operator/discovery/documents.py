"""One JSON document by GET: bounded in time and size, without redirects, its failures as Faults."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp

from pilothouse_api.conditions import Reason
from pilothouse_operator.ports import Fault

_PATIENCE_S = 15.0
_LONGEST_BYTES = 16 << 20
_REFUSED = frozenset({401, 403})


async def get(
    session: aiohttp.ClientSession,
    url: str,
    *,
    headers: Mapping[str, str],
    whose: str,
    right: str,
    what: str = "models",
    **options: Any,
) -> Mapping[str, Any]:
    """The JSON object. `whose` is how a message names who was asked for `what`, `right` what a refusal is for want of.

    Nothing that was answered is repeated. Raises Fault.
    """
    try:
        async with asyncio.timeout(_PATIENCE_S):
            # Compressed, a small answer could become a large one.
            asked = {**headers, "Accept": "application/json", "Accept-Encoding": "identity"}
            async with session.get(url, headers=asked, allow_redirects=False, **options) as response:
                if response.status != 200:
                    raise _answered(response, whose, right, what)
                body = await _read(response, whose)
    except TimeoutError:
        raise _unavailable(f"{whose} has not answered within {_PATIENCE_S:g} s") from None
    except (aiohttp.ClientError, ssl.SSLError, OSError, ValueError) as error:
        raise _unavailable(f"{whose} does not answer ({type(error).__name__})") from None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise _unavailable(f"{whose} has answered without a list of {what}: does something else answer in its place?")
    return document


async def _read(response: aiohttp.ClientResponse, whose: str) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > _LONGEST_BYTES:
            raise _unavailable(f"{whose} has answered with more than {_LONGEST_BYTES >> 20} MiB")
    return bytes(body)


def _answered(response: aiohttp.ClientResponse, whose: str, right: str, what: str) -> Fault:
    status = response.status
    if status == 429:
        return _unavailable(f"{whose} asks to slow down", throttled=True, after=_retry_after_s(response))
    if status in _REFUSED:
        return Fault(
            f"{whose} does not let the operator list {what} ({status}): {right}",
            reason=Reason.DISCOVERY_REFUSED,
            passing=False,
        )
    if status == 408 or status >= 500:
        return _unavailable(f"{whose} fails by itself ({status})", after=_retry_after_s(response))
    return Fault(f"{whose} has no list of {what} there ({status})", reason=Reason.DISCOVERY_REFUSED, passing=False)


def _retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    """Whole seconds (RFC 9110, section 10.2.3); None where it says nothing of that form."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdecimal() and len(value) < 7 else None


def _unavailable(message: str, *, throttled: bool = False, after: float | None = None) -> Fault:
    return Fault(message, reason=Reason.DISCOVERY_UNAVAILABLE, passing=True, throttled=throttled, retry_after_s=after)
