"""Lists of embeddings: what `base64` holds, and that no digit changes in the other form."""

import base64
import json
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_embeddings import encode, peek
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.operations import DialectName, Operation

singles = st.floats(width=32, allow_nan=False, allow_infinity=False)


def told(*vectors: str, form: str | None) -> list[object]:
    """The `embedding` members of the answer to a client that wants them in this form."""
    body = json.dumps({"model": "embed", "input": ["x"] * len(vectors), "encoding_format": form}).encode()
    call = Call(
        operation=Operation.EMBEDDINGS,
        request_id="r",
        created=0,
        peek=peek.read(body),
        body=body,
        model=Model(upstream=UpstreamModel("m")),
        dialect=DialectName.BEDROCK_TITAN_EMBED,
        streams=False,
    )
    encoded = [encode.vector(call, msgspec.Raw(vector.encode())) for vector in vectors]
    answer = json.loads(encode.reply(call, encoded, Usage(input_tokens=1)), parse_float=str, parse_int=str)
    return [row["embedding"] for row in answer["data"]]


@given(st.lists(singles, max_size=50))
def test_base64_is_the_little_endian_float32_of_each_number(vector: list[float]) -> None:
    (encoded,) = told(json.dumps(vector), form="base64")
    assert base64.b64decode(str(encoded), validate=True) == struct.pack(f"<{len(vector)}f", *vector)


@given(st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=20))
def test_both_forms_say_the_same_to_the_precision_of_the_shorter(vector: list[float]) -> None:
    text = json.dumps(vector)
    (numbers,), (encoded,) = told(text, form="float"), told(text, form="base64")
    assert isinstance(numbers, list)
    packed = struct.pack(f"<{len(vector)}f", *map(float, numbers))
    assert base64.b64decode(str(encoded)) == packed


@pytest.mark.parametrize("form", ["float", None])
def test_numbers_pass_as_they_were_written(form: str | None) -> None:
    assert told("[0.070068359400, -1.0E-5,0]", form=form) == [["0.070068359400", "-1.0E-5", "0"]]


@pytest.mark.parametrize("vector", ["null", '"AAAA"', '["a"]', "[null]", "{}", "[[1.0]]", "[true]"])
@pytest.mark.parametrize("form", ["float", "base64"])
def test_what_is_no_vector_is_broken(vector: str, form: str) -> None:
    with pytest.raises(UpstreamBroken, match="no list of numbers"):
        told(vector, form=form)
