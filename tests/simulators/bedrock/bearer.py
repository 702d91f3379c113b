"""API keys of Bedrock, long-term and short-term.

A long-term one is a text. A short-term one is a presigned request to `CallWithBearerToken`, in base64: its signature is
verified, its end, and that of the credentials that made it. Source: Bedrock user guide, "API keys"; the form is that of
aws-bedrock-token-generator 1.1.0.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, quote

from tests.simulators.bedrock.sigv4 import Refusal
from tests.simulators.credentials import AccessKey

SHORT_TERM: Final = "api key of "
_PREFIX: Final = "bedrock-api-key-"
_LONGEST_S: Final = 43_200
_HOST: Final = "bedrock.amazonaws.com"
_NAME: Final = "AccessDeniedException"
_FORMAT: Final = Refusal(_NAME, "Invalid API Key format: Must start with pre-defined prefix")
_INVALID: Final = Refusal(_NAME, "Authentication failed: Please make sure your API Key is valid.")
_ENDED: Final = Refusal(_NAME, "Bearer Token has expired")


def verify(
    key: str, *, long_term: Mapping[str, str], keys: Mapping[str, AccessKey], now: float, region: str
) -> str | Refusal:
    """The name of a long-term key, `api key of ACCESS_KEY_ID` of a short-term one. `now` is in Unix seconds."""
    if key in long_term:
        return long_term[key]
    if key.startswith("ABSK"):
        return _INVALID
    if not key.startswith(_PREFIX):
        return _FORMAT
    try:
        address = base64.b64decode(key.removeprefix(_PREFIX), validate=True).decode("ascii")
        signed = dict(parse_qsl(address.partition("?")[2], keep_blank_values=True))
        claimed, date, signed_region, service, _ = signed["X-Amz-Credential"].split("/")
        start = calendar.timegm(time.strptime(signed["X-Amz-Date"], "%Y%m%dT%H%M%SZ"))
        life_s = int(signed["X-Amz-Expires"])
        signature = signed.pop("X-Amz-Signature")
    except (binascii.Error, ValueError, KeyError):
        return _INVALID
    signed.pop("Version", None)
    by = keys.get(claimed)
    good = (
        address.startswith(f"{_HOST}/?")
        and signed.get("Action") == "CallWithBearerToken"
        and (signed_region, service) == (region, "bedrock")
        and life_s <= _LONGEST_S
        and by is not None
        and signed.get("X-Amz-Security-Token") == by.session_token
        and hmac.compare_digest(_signature(signed, date, region, by.secret_access_key), signature)
    )
    if not good or by is None:
        return _INVALID
    if now >= start + life_s or (by.expires_at is not None and now >= by.expires_at):
        return _ENDED
    return SHORT_TERM + claimed


def _signature(signed: Mapping[str, str], date: str, region: str, secret: str) -> str:
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(signed.items()))
    empty = hashlib.sha256(b"").hexdigest()
    canonical = f"POST\n/\n{query}\nhost:{_HOST}\n\nhost\n{empty}"
    scope = f"{date}/{region}/bedrock/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{signed['X-Amz-Date']}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in (date, region, "bedrock", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()
