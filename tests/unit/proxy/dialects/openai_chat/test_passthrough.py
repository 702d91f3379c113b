"""Chat completions between two speakers of the same dialect."""

import json

import pytest

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_chat import passthrough, peek
from pilothouse_proxy.errors import GatewayError
from pilothouse_proxy.operations import DialectName, Operation


def request(
    body: bytes,
    *,
    model: str = "gpt-4o",
    operation: Operation = Operation.CHAT,
    dialect: DialectName = DialectName.OPENAI_CHAT,
) -> bytes:
    call = Call(
        operation=operation,
        request_id="r",
        created=0,
        peek=peek.read(body),
        body=body,
        model=Model(upstream=UpstreamModel(model)),
        dialect=dialect,
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


@pytest.mark.parametrize(
    ("model", "operation", "dialect"),
    [
        ("gpt-4o", Operation.CHAT, DialectName.OPENAI_CHAT),
        ("my-deployment", Operation.CHAT, DialectName.OPENAI_CHAT),
        ("gpt-5-chat-latest", Operation.CHAT, DialectName.OPENAI_CHAT),
        ("o4-mini", Operation.COMPLETIONS, DialectName.OPENAI_COMPLETIONS),
    ],
)
def test_the_limit_keeps_its_name_where_it_is_taken(model: str, operation: Operation, dialect: DialectName) -> None:
    body = b'{"model":"chat","messages":[{"role":"user","content":"x"}],"prompt":"x","max_tokens": 9}'
    expected = {**json.loads(body), "model": model}
    assert json.loads(request(body, model=model, operation=operation, dialect=dialect)) == expected


@pytest.mark.parametrize("model", ["o4-mini", "gpt-5-mini-2025-08-07", "openai/gpt-6"])
def test_the_limit_is_renamed_for_models_that_refuse_its_old_name(model: str) -> None:
    body = b'{"model":"chat","messages":[{"role":"user","content":"x"}],"max_tokens":9,"new":{"a" :1e2}}'
    sent = request(body, model=model)
    assert b'"max_completion_tokens":9' in sent
    assert b"max_tokens" not in sent
    assert b'"new":{"a" :1e2}' in sent
