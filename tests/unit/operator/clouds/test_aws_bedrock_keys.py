import base64
import hashlib
import hmac
import time
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlsplit

import botocore.auth
import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from pilothouse_api.secret import Secret
from pilothouse_operator.clouds import aws_bedrock_keys
from pilothouse_operator.clouds.aws_keys import Keys

LASTING = Keys(access_key_id="AKIAEXAMPLE000000001", secret_access_key=Secret("a/secret+key"))
SESSION = Keys(
    access_key_id="ASIAEXAMPLE000000001",
    secret_access_key=Secret("another/secret+key"),
    session_token=Secret("IQoJb3JpZ2luX2VjE//a+token=="),
)


def opened(key: Secret) -> str:
    """The presigned URL that a key is."""
    prefix, _, encoded = key.reveal().rpartition("-")
    assert prefix == "bedrock-api-key"
    return "https://" + base64.b64decode(encoded, validate=True).decode("ascii")


def signature_of(query: dict[str, str], secret: str) -> str:
    """As AWS computes it from what it sees: IAM user guide, "Create a signed AWS API request", query parameters."""
    signed = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query.items())
    canonical = "\n".join(
        (
            "POST",
            "/",
            "&".join(f"{name}={value}" for name, value in signed),
            "host:bedrock.amazonaws.com\n",
            "host",
            hashlib.sha256(b"").hexdigest(),
        )
    )
    _, scope = query["X-Amz-Credential"].split("/", 1)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    to_sign = f"AWS4-HMAC-SHA256\n{query['X-Amz-Date']}\n{scope}\n{digest}"
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


@pytest.mark.parametrize("keys", [LASTING, SESSION], ids=["lasting", "session"])
def test_a_key_is_a_presigned_request_that_the_secret_has_signed(keys: Keys) -> None:
    url = urlsplit(opened(aws_bedrock_keys.short_term_key(keys, region="eu-central-1", life_s=900)))
    assert (url.netloc, url.path) == ("bedrock.amazonaws.com", "/")
    query = dict(parse_qsl(url.query, strict_parsing=True))
    assert query.pop("Version") == "1"  # is not signed
    signature = query.pop("X-Amz-Signature")
    assert signature == signature_of(query, keys.secret_access_key.reveal())
    assert query["Action"] == "CallWithBearerToken"
    assert query["X-Amz-Expires"] == "900"
    assert query["X-Amz-Credential"].startswith(f"{keys.access_key_id}/")
    assert query["X-Amz-Credential"].endswith("/eu-central-1/bedrock/aws4_request")
    token = keys.session_token
    assert query.get("X-Amz-Security-Token") == (None if token is None else token.reveal())


def test_a_key_is_what_botocore_s_own_signer_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    key = opened(aws_bedrock_keys.short_term_key(SESSION, region="us-east-1", life_s=3_600))
    stamp = dict(parse_qsl(urlsplit(key).query))["X-Amz-Date"]
    request = AWSRequest(
        method="POST",
        url="https://bedrock.amazonaws.com/?Action=CallWithBearerToken",
        headers={"host": "bedrock.amazonaws.com"},
    )
    token = SESSION.session_token
    assert token is not None
    credentials = Credentials(SESSION.access_key_id, SESSION.secret_access_key.reveal(), token.reveal())
    signer = SigV4QueryAuth(credentials, "bedrock", "us-east-1", expires=3_600)
    request.context["timestamp"] = stamp
    signer._modify_request_before_signing(request)
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    assert key == f"{request.url}&X-Amz-Signature={signature}&Version=1"


def test_a_key_is_to_the_byte_what_aws_s_own_generator_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest is that of aws-bedrock-token-generator 1.1.0 with the same keys and time."""
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: datetime(2026, 11, 29, 12))
    key = aws_bedrock_keys.short_term_key(SESSION, region="us-east-1", life_s=3_600).reveal()
    digest = hashlib.sha256(key.encode()).hexdigest()
    assert digest == "1d6a8c0d578dac1e3bf5d3ab5ec7d437b57cecf54def2f358a80c7f4bfaa35f8"


def test_a_key_begins_now_and_lasts_half_a_day_at_most() -> None:
    query = dict(parse_qsl(opened(aws_bedrock_keys.short_term_key(LASTING, region="us-east-1", life_s=99_999))))
    assert query["X-Amz-Expires"] == "43200"
    begins = time.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    assert begins <= time.gmtime()


def test_a_key_shows_itself_nowhere() -> None:
    assert str(aws_bedrock_keys.short_term_key(LASTING, region="us-east-1", life_s=900)) == "[redacted]"
