"""Embeddings between two speakers of the same dialect."""

import pytest

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_embeddings import passthrough, peek
from pilothouse_proxy.errors import GatewayError, Kind, UpstreamBroken
from pilothouse_proxy.operations import DialectName, Operation

BODY = b'{"model":"embed","input":[[1, 2],[3]], "x":1.50}'


def call(body: bytes = BODY, upstream: str = "text-embedding-3-small") -> Call:
    return Call(
        operation=Operation.EMBEDDINGS,
        request_id="r",
        created=0,
        peek=peek.read(body),
        body=body,
        model=Model(upstream=UpstreamModel(upstream)),
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


@pytest.mark.parametrize(("upstream", "refused"), [("text-embedding-3-small", True), ("jina-clip-v2", False)])
def test_images_go_to_models_that_may_take_them(upstream: str, refused: bool) -> None:
    body = b'{"model":"m","input":[ {"image":"data:image/png;base64,AA"}]}'
    try:
        passthrough.PassThrough().request(call(body, upstream))
    except GatewayError as error:
        assert (error.kind, error.param, refused) == (Kind.UNSUPPORTED, "input", True)
    else:
        assert not refused
