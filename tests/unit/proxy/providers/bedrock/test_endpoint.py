from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.names import UpstreamModel
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.providers.bedrock.endpoint import path


def test_an_arn_is_one_segment_encoded_once_to_send_and_twice_to_sign() -> None:
    arn = UpstreamModel("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.x-v1:0")
    wire, canonical = path("", arn, "converse")
    encoded = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.x-v1%3A0"
    assert wire == f"/model/{encoded}/converse".encode()
    assert canonical == f"/model/{encoded.replace('%', '%25')}/converse"


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=80))
def test_no_model_id_leaves_its_segment(model: str) -> None:
    try:
        wire = path("/base", UpstreamModel(model), "converse").wire.decode()
    except GatewayError:
        assert model in {".", ".."}
        return
    segments = wire.split("/")
    assert len(segments) == 5
    assert (segments[:3], segments[4]) == (["", "base", "model"], "converse")
    assert unquote(segments[3], errors="strict") == model
    assert "?" not in wire and "#" not in wire and segments[3] not in {".", ".."}


@pytest.mark.parametrize("model", ["", ".", "..", "x" * 2_049])
def test_an_id_that_bedrock_cannot_have_is_refused(model: str) -> None:
    with pytest.raises(GatewayError) as raised:
        path("", UpstreamModel(model), "converse")
    assert raised.value.kind is Kind.MODEL_NOT_FOUND
