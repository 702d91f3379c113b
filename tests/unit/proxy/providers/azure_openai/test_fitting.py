"""Bodies as each API version takes them."""

import json
from typing import Any

import pytest

from pilothouse_api.names import ModelName, UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call, Peek
from pilothouse_proxy.exchange import members
from pilothouse_proxy.operations import DialectName, Operation
from pilothouse_proxy.providers.azure_openai import fitting

OLD = "2024-06-01"
NEW = "2024-10-21"


def fitted(body: dict[str, Any], version: str, *, operation: Operation, model: str = "prod") -> Any:
    call = Call(
        operation=operation,
        request_id="r",
        created=0,
        peek=Peek(
            model=ModelName("m"),
            stream=bool(body.get("stream")),
            members=members.read(b'{"model":"m","stream":true,"messages":[]}'),
        ),
        body=b"",
        model=Model(upstream=UpstreamModel(model)),
        dialect=DialectName.OPENAI_CHAT,
        streams=bool(body.get("stream")),
    )
    return json.loads(fitting.fitted(json.dumps(body).encode(), call, version))


TRANSLATED = Operation.EMBEDDINGS
"""Any operation whose clients do not write chat bodies."""
STREAM = {"stream": True, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize(
    ("model", "version", "limit", "expected"),
    [
        ("prod", "v1", "max_tokens", "max_completion_tokens"),
        ("prod", NEW, "max_tokens", "max_completion_tokens"),
        ("prod", OLD, "max_tokens", "max_tokens"),
        ("gpt-4o", OLD, "max_completion_tokens", "max_tokens"),
        ("gpt-4o", NEW, "max_completion_tokens", "max_completion_tokens"),
        ("DeepSeek-R1", "v1", "max_tokens", "max_tokens"),
    ],
)
def test_the_output_limit_of_what_was_translated_has_the_name_that_the_version_knows(
    model: str, version: str, limit: str, expected: str
) -> None:
    body = fitted({"model": model, limit: 9}, version, operation=TRANSLATED, model=model)
    assert body == {"model": model, expected: 9}


def test_old_versions_are_not_asked_for_the_usage_of_a_stream() -> None:
    assert fitted({"model": "prod", **STREAM}, OLD, operation=TRANSLATED) == {"model": "prod", "stream": True}
    assert fitted({"model": "prod", **STREAM}, NEW, operation=TRANSLATED) == {"model": "prod", **STREAM}


def test_a_clients_own_body_is_sent_without_our_question_for_usage() -> None:
    body = {"model": "prod", "max_tokens": 9, **STREAM}
    assert fitted(body, OLD, operation=Operation.CHAT) == {"model": "prod", "stream": True, "messages": []}
    assert fitted(body, NEW, operation=Operation.CHAT) == body
