"""Embeddings between two speakers of the same dialect."""

import pytest

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.openai_embeddings import passthrough, peek
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.ports import Call, DialectName, Operation

BODY = b'{"model":"embed","input":[[1, 2],[3]], "x":1.50}'


def call() -> Call:
    return Call(
        operation=Operation.EMBEDDINGS,
        request_id="r",
        created=0,
        peek=peek.read(BODY),
        body=BODY,
        model=Model(upstream=UpstreamModel("text-embedding-3-small")),
        dialect=DialectName.OPENAI_EMBEDDINGS,
        streams=False,
    )


def test_only_the_models_name_is_replaced() -> None:
    assert passthrough.PassThrough().request(call()) == (
        b'{"model":"text-embedding-3-small","input":[[1, 2],[3]],"x":1.50}'
    )


def test_a_stream_is_not_what_was_asked_for() -> None:
    with pytest.raises(UpstreamBroken):
        passthrough.PassThrough().relay(call(), [])
