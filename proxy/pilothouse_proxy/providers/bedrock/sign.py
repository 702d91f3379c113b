"""AWS Signature Version 4, as far as a POST without a query needs it.

Source: AWS IAM user guide, "Create a signed AWS API request". For every service but S3 the canonical path is the path
as sent, percent-encoded once more.
"""

import hmac
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256

from pilothouse_api.snapshot.credentials import AccessKey
from pilothouse_proxy.http.messages import Headers

_CONTENT_TYPE = "application/json"

# The key that signs is derived by four HMACs from the secret, and is good for a day, a region and a service.
_KEYS: dict[tuple[str, str, str, str], bytes] = {}
_KEYS_MAX = 256


def headers(
    *, host: str, canonical_path: str, body: bytes, credential: AccessKey, region: str, service: str, now: float
) -> Headers:
    """All headers of a signed JSON request but `host` and `content-length`, which the client adds.

    `host` must be what the client will send; `now` in Unix seconds.
    """
    stamp = _stamp(int(now))
    signed: Headers = [(b"content-type", b"application/json"), (b"x-amz-date", stamp.encode("ascii"))]
    if credential.session_token is None:
        names = "content-type;host;x-amz-date"
        token_line = ""
    else:
        token = credential.session_token.reveal()
        names = "content-type;host;x-amz-date;x-amz-security-token"
        token_line = f"x-amz-security-token:{token}\n"
        signed.append((b"x-amz-security-token", token.encode("ascii")))
    request = (
        f"POST\n{canonical_path}\n\ncontent-type:{_CONTENT_TYPE}\nhost:{host}\nx-amz-date:{stamp}\n{token_line}\n"
        f"{names}\n{sha256(body).hexdigest()}"
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(request.encode('ascii')).hexdigest()}"
    key = _signing_key(credential.secret_access_key.reveal(), stamp[:8], region, service)
    signature = hmac.digest(key, to_sign.encode("ascii"), "sha256").hex()
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={credential.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    signed.append((b"authorization", authorization.encode("ascii")))
    return signed


@lru_cache(maxsize=4)
def _stamp(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%dT%H%M%SZ")


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
