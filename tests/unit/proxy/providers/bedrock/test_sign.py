from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.names import UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey
from pilothouse_proxy.http.messages import Lines
from pilothouse_proxy.ports import NativeRequest
from pilothouse_proxy.providers.bedrock import sign
from pilothouse_proxy.providers.bedrock.endpoint import canonical, path

SIGNATURE = {b"authorization", b"x-amz-date", b"x-amz-security-token"}
KEY_CHARS = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
MODELS = st.one_of(
    st.sampled_from(
        [
            "anthropic.claude-3-haiku-20240307-v1:0",
            "eu.amazon.nova-lite-v1:0:51k",
            "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3d4e5f6",
            "arn:aws-us-gov:sagemaker:us-gov-west-1:123456789012:endpoint/x",
        ]
    ),
    st.text(min_size=1, max_size=60).filter(lambda text: text not in {".", ".."} and text.isprintable()),
)


def headers(lines: Lines) -> dict[bytes, bytes]:
    """As a server reads them."""
    named = (line.partition(b": ") for line in lines.removesuffix(b"\r\n").split(b"\r\n"))
    return {name: value for name, _, value in named}


def signed_by_botocore(
    *,
    url: str,
    body: bytes,
    credential: AccessKey,
    region: str,
    service: str,
    now: float,
    method: str = "POST",
    given: dict[str, str] | None = None,
) -> dict[bytes, bytes]:
    token = credential.session_token
    credentials = Credentials(
        credential.access_key_id, credential.secret_access_key.reveal(), None if token is None else token.reveal()
    )
    request = AWSRequest(
        method, url, data=body, headers={"content-type": "application/json"} if given is None else given
    )
    with patch("botocore.auth.get_current_datetime", return_value=datetime.fromtimestamp(int(now), UTC)):
        SigV4Auth(credentials, service, region).add_auth(request)
    return {name.lower().encode(): str(value).encode() for name, value in request.headers.items()}


@given(
    model=MODELS,
    operation=st.sampled_from(["converse", "converse-stream"]),
    base=st.sampled_from(["", "/proxy", "/a b~c".replace(" ", "%20")]),
    host=st.sampled_from(["bedrock-runtime.eu-west-1.amazonaws.com", "127.0.0.1:8443", "[::1]:9000"]),
    body=st.binary(max_size=2_000),
    key_id=st.text(KEY_CHARS, min_size=16, max_size=32).filter(lambda text: "," not in text),
    secret=st.text(KEY_CHARS, min_size=1, max_size=60),
    token=st.none() | st.text(KEY_CHARS, min_size=1, max_size=1_500),
    region=st.sampled_from(["eu-west-1", "us-gov-west-1", "eusc-de-east-1"]),
    service=st.sampled_from(["bedrock", "bedrock-mantle"]),
    now=st.floats(1_600_000_000, 4_000_000_000),
)
def test_the_signature_is_the_one_that_botocore_computes(
    *,
    model: str,
    operation: str,
    base: str,
    host: str,
    body: bytes,
    key_id: str,
    secret: str,
    token: str | None,
    region: str,
    service: str,
    now: float,
) -> None:
    credential = AccessKey(
        access_key_id=key_id,
        secret_access_key=Secret(secret),
        session_token=None if token is None else Secret(token),
    )
    wire, canonical = path(base, UpstreamModel(model), operation)
    lines = sign.lines(
        host=host, canonical_path=canonical, body=body, credential=credential, region=region, service=service, now=now
    )
    expected = signed_by_botocore(
        url=f"https://{host}{wire.decode()}",
        body=body,
        credential=credential,
        region=region,
        service=service,
        now=now,
    )
    assert headers(lines) == expected


def authorization(*, secret: str, now: float, region: str = "eu-west-1", service: str = "bedrock") -> bytes:
    lines = sign.lines(
        host="h",
        canonical_path="/model/x/converse",
        body=b"{}",
        credential=AccessKey(access_key_id="AKIDEXAMPLE", secret_access_key=Secret(secret)),
        region=region,
        service=service,
        now=now,
    )
    return headers(lines)[b"authorization"]


def test_a_rotated_secret_a_new_day_region_or_service_gets_a_key_of_its_own() -> None:
    now = 1_700_000_000.0
    signatures = {
        authorization(secret=secret, now=at, region=region, service=service)
        for secret in ("a", "b")
        for at in (now, now + 86_400)
        for region in ("eu-west-1", "us-east-1")
        for service in ("bedrock", "bedrock-mantle")
    }
    assert len(signatures) == 16


def test_more_credentials_than_are_kept_sign_all_the_same() -> None:
    first = [authorization(secret=f"s{n}", now=1_700_000_000.0) for n in range(600)]
    assert [authorization(secret=f"s{n}", now=1_700_000_000.0) for n in range(600)] == first
    assert len(set(first)) == 600


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    path=st.sampled_from(["/async-invoke", "/model/a%3Ab/invoke", "/guardrail/x/version/1/apply", "/a%20b/~c"]),
    query=st.lists(
        st.tuples(st.text("abXY-_.~", min_size=1, max_size=5), st.text("a/+= é&%~", max_size=6)), max_size=4
    ),
    given_=st.sampled_from(
        [{}, {"content-type": "text/plain"}, {"x-amzn-bedrock-trace": "ENABLED", "content-type": "application/json"}]
    ),
    body=st.binary(max_size=200),
    token=st.none() | st.just("a/token+"),
)
def test_any_request_is_signed_as_botocore_signs_it(
    *,
    method: str,
    path: str,
    query: list[tuple[str, str]],
    given_: dict[str, str],
    body: bytes,
    token: str | None,
) -> None:
    credential = AccessKey(
        access_key_id="AKIDEXAMPLE",
        secret_access_key=Secret("s/e+c"),
        session_token=None if token is None else Secret(token),
    )
    written = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query)
    request = NativeRequest(
        method=method.encode(),
        path=path.encode(),
        query=written.encode(),
        headers=[(b"accept", b"*/*"), *((name.encode(), value.encode()) for name, value in given_.items())],
        body=body,
    )
    found = sign.headers(
        request,
        host="h.example",
        canonical_path=canonical(path),
        credential=credential,
        region="eu-west-1",
        service="bedrock",
        now=1_700_000_000.5,
    )
    expected = signed_by_botocore(
        url=f"https://h.example{request.target('').decode()}",
        body=body,
        credential=credential,
        region="eu-west-1",
        service="bedrock",
        now=1_700_000_000.5,
        method=method,
        given=given_,
    )
    assert dict(found) == {name: value for name, value in expected.items() if name in SIGNATURE}
