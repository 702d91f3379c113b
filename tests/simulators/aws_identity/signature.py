"""Signature Version 4 of a POST to `/` without a query, verified.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

from tests.simulators.aws_identity.account import Account, Holder
from tests.simulators.wire.server import Request

_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([\w-]+)/(\w+)/aws4_request, SignedHeaders=([\w;-]+), Signature=(\w+)"
)


def key_id(request: Request) -> str:
    """Which key a request claims to be signed with, or empty."""
    found = _AUTHORIZATION.fullmatch((request.header(b"authorization") or b"").decode("latin-1"))
    return found[1] if found else ""


def holder(request: Request, account: Account, *, service: str) -> Holder | None:
    """Who has signed a request; None if nobody that is known, or not like this."""
    found = _AUTHORIZATION.fullmatch((request.header(b"authorization") or b"").decode("latin-1"))
    if found is None or found[4] != service:
        return None
    claimed, date, region, _, signed_headers, signature = found.groups()
    who = account.holders.get(claimed)
    if who is None or (request.header(b"x-amz-security-token") or b"").decode("latin-1") != who.token:
        return None
    names = signed_headers.split(";")
    lines = "".join(f"{name}:{(request.header(name.encode()) or b'').decode('latin-1').strip()}\n" for name in names)
    canonical = f"POST\n/\n\n{lines}\n{signed_headers}\n{hashlib.sha256(request.body).hexdigest()}"
    stamp = (request.header(b"x-amz-date") or b"").decode("latin-1")
    scope = f"{date}/{region}/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode('latin-1')).hexdigest()}"
    key = f"AWS4{who.secret_access_key}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    right = hmac.compare_digest(hmac.digest(key, to_sign.encode(), "sha256").hex(), signature)
    return who if right else None
