"""Chat completions between two speakers of the same dialect."""

import json

import pytest

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.openai_chat import passthrough, peek
from pilothouse_proxy.errors import GatewayError
from pilothouse_proxy.ports import Call, DialectName, Operation


def request(body: bytes) -> bytes:
    call = Call(
        operation=Operation.CHAT,
        request_id="r",
        created=0,
        peek=peek.read(body),
        body=body,
        model=Model(upstream=UpstreamModel("gpt-4o")),
        dialect=DialectName.OPENAI_CHAT,
        streams=False,
    )
    return passthrough.PassThrough().request(call)


def test_everything_but_the_models_name_passes_byte_for_byte() -> None:
    body = b'{"messages":[ {"role":"user","content":"\\u00fc \xc3\xbc"}],"model":"chat","new":{"a" :1e2},"t":0.70}'
    assert request(body) == (
        b'{"messages":[ {"role":"user","content":"\\u00fc \xc3\xbc"}],"model":"gpt-4o","new":{"a" :1e2},"t":0.70}'
    )


@pytest.mark.parametrize(
    "options", ["", ',"stream_options":null', ',"stream_options":{}', ',"stream_options":{"include_usage":false}']
)
def test_usage_is_always_asked_for_in_streams(options: str) -> None:
    body = '{"model":"chat","messages":[{"role":"user","content":"x"}],"stream":true' + options + "}"
    assert json.loads(request(body.encode()))["stream_options"] == {"include_usage": True}


def test_other_stream_options_are_kept() -> None:
    body = b'{"model":"chat","messages":[{"role":"user","content":"x"}],"stream":true,"stream_options":{"new": 1.0}}'
    assert b'"stream_options":{"new":1.0,"include_usage":true}' in request(body)


def test_usage_is_not_asked_for_without_a_stream() -> None:
    assert b"stream_options" not in request(b'{"model":"chat","messages":[{"role":"user","content":"x"}]}')


def test_stream_options_that_are_no_object_are_refused_by_name() -> None:
    with pytest.raises(GatewayError) as refused:
        request(b'{"model":"chat","messages":[{"role":"user","content":"x"}],"stream":true,"stream_options":[]}')
    assert refused.value.param == "stream_options"
