"""Texts, images and pairs go apart, and their vectors come back together."""

import base64
import json

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.bedrock_embed import cohere
from pilothouse_proxy.exchange.embedding import Input, Request
from pilothouse_proxy.exchange.parts import Image, ImageFormat

V3, V4 = (Model(upstream=UpstreamModel(name)) for name in ("cohere.embed-english-v3", "cohere.embed-v4:0"))
SUBJECT = cohere.Provider()


def image(at: int) -> Image:
    return Image(format=ImageFormat.PNG, base64=base64.b64encode(str(at).encode()).decode())


def inputs(sorts: str) -> Request:
    """`t`ext, `i`mage, `p`air; each tells its place."""
    return Request(
        inputs=tuple(
            Input(
                path=f"input[{at}]",
                text=str(at) if sort in "tp" else None,
                image=image(at) if sort in "ip" else None,
            )
            for at, sort in enumerate(sorts)
        )
    )


def place(url: str) -> int:
    return int(base64.b64decode(url.rpartition(",")[2]))


def answered(body: bytes) -> bytes:
    """A model whose vectors tell the place of what was embedded."""
    asked = json.loads(body)
    places = [int(text) for text in asked.get("texts", ())]
    places += [place(url) for url in asked.get("images", ())]
    places += [int(given["content"][0]["text"]) for given in asked.get("inputs", ())]
    return json.dumps({"embeddings": [[at] for at in places]}).encode()


@settings(max_examples=60)
@given(st.text("tip", min_size=1, max_size=300))
def test_order_is_kept_whatever_is_mixed(sorts: str) -> None:
    request = inputs(sorts)
    found: dict[int, object] = {}
    for asked in SUBJECT.encode_requests(request, V4):
        vectors = SUBJECT.decode_reply([], answered(asked.body)).vectors
        found |= {at: msgspec.json.decode(vector) for at, vector in zip(asked.places, vectors, strict=True)}
    assert found == {at: [at] for at in range(len(sorts))}


@settings(max_examples=60)
@given(st.text("ti", min_size=1, max_size=300))
def test_calls_hold_what_the_model_takes(sorts: str) -> None:
    bodies = [json.loads(asked.body) for asked in SUBJECT.encode_requests(inputs(sorts), V3)]
    assert all(len(body.get("texts", ())) <= 96 and len(body.get("images", ())) <= 1 for body in bodies)
    assert all(("texts" in body) != ("images" in body) for body in bodies)
    assert len(bodies) == -(-sorts.count("t") // 96) + sorts.count("i")
    assert {body["input_type"] for body in bodies if "images" in body} <= {"image"}


def test_a_call_is_no_larger_than_bedrock_takes() -> None:
    text = "x" * (cohere.MOST_BYTES // 3)
    request = Request(inputs=tuple(Input(path=f"input[{at}]", text=text) for at in range(7)))
    sizes = [len(json.loads(asked.body)["texts"]) for asked in SUBJECT.encode_requests(request, V4)]
    assert sizes == [3, 3, 1]


def test_tokens_are_told_by_a_header_alone() -> None:
    body = b'{"embeddings": [[1]]}'
    assert SUBJECT.decode_reply([(b"x-amzn-bedrock-input-token-count", b"3")], body).input_tokens == 3
    assert SUBJECT.decode_reply([], body).input_tokens is None
