import gzip
import itertools
import zlib
from collections.abc import Callable

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.http import coding
from pilothouse_proxy.http.coding import PIECE_BYTES, Decoder
from pilothouse_proxy.http.messages import HTTPError, ProtocolError, TooLarge
from tests.zstandard import zstd


def deflated(data: bytes) -> bytes:
    bare = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return bare.compress(data) + bare.flush()


ENCODED: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "gzip": (b"gzip", gzip.compress),
    "x-gzip": (b"x-gzip", gzip.compress),
    "gzip of two members": (b"gzip", lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:])),
    "deflate": (b"deflate", zlib.compress),
    "bare deflate": (b"deflate", deflated),
    "br": (b"br", brotli.compress),
    "zstd": (b"zstd", zstd.compress),
    "zstd of two frames": (b"zstd", lambda data: zstd.compress(data[:5]) + zstd.compress(data[5:])),
}
ALL = pytest.mark.parametrize("name", ENCODED)


def made(*values: bytes) -> Decoder:
    found = coding.decoder([(b"server", b"x"), *((b"content-encoding", value) for value in values)])
    assert found is not None
    return found


def decoded(name: str, wire: bytes, cuts: list[int]) -> bytes:
    decoder = made(ENCODED[name][0])
    ends = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    pieces = [wire[start:end] for start, end in itertools.pairwise(ends)]
    found = b"".join([decoder.feed(piece) for piece in pieces])
    decoder.finish()
    return found


@ALL
@given(data=st.binary(max_size=2_000), cuts=st.lists(st.integers(0, 4_000), max_size=6))
def test_what_was_encoded_comes_out_however_it_is_cut(name: str, data: bytes, cuts: list[int]) -> None:
    assert decoded(name, ENCODED[name][1](data), cuts) == data


@ALL
def test_what_was_encoded_comes_out_byte_by_byte(name: str) -> None:
    data = b"data: to be or not to be\n\n" * 20
    wire = ENCODED[name][1](data)
    assert decoded(name, wire, list(range(len(wire)))) == data


@pytest.mark.parametrize("name", ["gzip", "deflate", "bare deflate", "br", "zstd"])
def test_a_body_that_is_cut_short_is_no_whole_one(name: str) -> None:
    wire = ENCODED[name][1](b"data: to be or not to be\n\n")
    for end in range(1, len(wire)):
        decoder = made(ENCODED[name][0])
        decoder.feed(wire[:end])
        with pytest.raises(ProtocolError, match=f"ends within its {ENCODED[name][0].decode()}"):
            decoder.finish()


@ALL
def test_no_body_at_all_is_whole(name: str) -> None:
    made(ENCODED[name][0]).finish()


@ALL
def test_what_is_no_such_coding_is_refused(name: str) -> None:
    decoder = made(ENCODED[name][0])
    with pytest.raises(ProtocolError, match="is not the"):
        decoder.feed(b'{"choices": [{"index": 0}]}' * 10)
        decoder.finish()


@ALL
def test_what_follows_a_body_is_refused(name: str) -> None:
    decoder = made(ENCODED[name][0])
    with pytest.raises(ProtocolError, match="is not the"):
        decoder.feed(ENCODED[name][1](b"to be or not to be") + b"surplus of some length")


@ALL
def test_a_bomb_is_refused_before_it_goes_off(name: str) -> None:
    wire = ENCODED[name][1](b"\0" * (2 * PIECE_BYTES))
    assert len(wire) < PIECE_BYTES // 16
    with pytest.raises(TooLarge, match="becomes more than"):
        made(ENCODED[name][0]).feed(wire)


@ALL
def test_a_piece_at_the_limit_passes(name: str) -> None:
    data = b"\0" * PIECE_BYTES
    assert decoded(name, ENCODED[name][1](data), []) == data


def test_a_body_that_needs_a_large_window_is_refused() -> None:
    wide = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 25})
    with pytest.raises(ProtocolError):
        made(b"zstd").feed(wide.compress(b"x" * 100) + wide.flush())


def flushing(coding_name: bytes) -> Callable[[bytes], bytes]:
    """Encodes event by event, as a server does that flushes behind each."""
    if coding_name == b"br":
        packed = brotli.Compressor()
        return lambda event: packed.process(event) + packed.flush()
    if coding_name == b"zstd":
        frame = zstd.ZstdCompressor()
        return lambda event: frame.compress(event, zstd.ZstdCompressor.FLUSH_BLOCK)
    zipped = zlib.compressobj(wbits=31 if coding_name == b"gzip" else 15)
    return lambda event: zipped.compress(event) + zipped.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize("name", [b"gzip", b"deflate", b"br", b"zstd"])
def test_an_event_comes_out_with_the_bytes_that_complete_it(name: bytes) -> None:
    encode, decoder = flushing(name), made(name)
    for number in range(50):
        event = b"data: %d\n\n" % number
        assert decoder.feed(encode(event)) == event


@pytest.mark.parametrize("values", [[], [b"identity"], [b""], [b"Identity, identity"], [b"identity", b" "]])
def test_a_body_as_it_should_be_needs_no_decoder(values: list[bytes]) -> None:
    headers = [(b"content-type", b"application/json"), *((b"content-encoding", value) for value in values)]
    assert coding.decoder(headers) is None


@pytest.mark.parametrize("values", [[b"GZIP"], [b" gzip "], [b"identity, gzip"], [b"identity", b"gzip"]])
def test_a_coding_is_found_however_it_is_written(values: list[bytes]) -> None:
    assert made(*values).feed(gzip.compress(b"x")) == b"x"


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ([b"compress"], "Content-Encoding compress, though none was asked for; what can be decoded is one of br, "),
        ([b"gzip, br"], "Content-Encoding gzip, br, though"),
        ([b"gzip", b"gzip"], "Content-Encoding gzip, gzip, though"),
        ([b"\x1b[2J"], "Content-Encoding a coding without a readable name"),
        ([b"x" * 5_000], "Content-Encoding x{40}, though"),
    ],
)
def test_a_coding_that_is_not_known_is_named(values: list[bytes], named: str) -> None:
    decoder = made(*values)
    decoder.finish()
    with pytest.raises(ProtocolError, match=named):
        decoder.feed(b"x")


@given(st.sampled_from([b"gzip", b"deflate", b"br", b"zstd"]), st.binary(max_size=200), st.integers(0, 200))
def test_only_the_errors_of_the_room_come_out_of_noise(name: bytes, noise: bytes, cut: int) -> None:
    decoder = made(name)
    try:
        decoder.feed(noise[:cut])
        decoder.feed(noise[cut:])
        decoder.finish()
    except HTTPError:
        pass
