"""The laws of the fuzzer, on a fixed draw of mutated inputs. `make fuzz` goes further, guided by coverage."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.laws import LAWS

WORDS = (
    b"\r\n\r\n",
    b"\n\n",
    b"\r",
    b"\0",
    b"Content-Length: 1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"0\r\n\r\n",
    b"HTTP/1.1 ",
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"data: ",
    b"event: error\n",
    b"data: [DONE]\n\n",
    b'"usage":null',
    b'"finish_reason":null',
    b'"error":{}',
)

Change = Callable[[bytes], bytes]


def changes() -> st.SearchStrategy[Change]:
    """One change at a place that is drawn: cut out, doubled, replaced, or a word put in."""

    def made(kind: int, where: float, size: int, word: bytes) -> Change:
        def change(data: bytes) -> bytes:
            at = int(where * len(data))
            piece = data[at : at + size]
            new = (b"", piece * 2, bytes(byte ^ 1 << size % 8 for byte in piece), word, word + piece)[kind]
            return data[:at] + new + data[at + size :]

        return change

    return st.builds(
        made,
        st.integers(0, 4),
        st.floats(0, 1, exclude_max=True),
        st.integers(1, 40),
        st.one_of(st.sampled_from(WORDS), st.binary(max_size=4)),
    )


@pytest.mark.parametrize("name", LAWS)
def test_the_laws_of_the_fuzzer_hold_for_a_fixed_draw(name: str) -> None:
    law = LAWS[name]

    @settings(
        max_examples=60 * law.share, derandomize=True, database=None, deadline=None, suppress_health_check=HealthCheck
    )
    @given(st.sampled_from(law.seeds()), st.lists(changes(), max_size=6))
    def holds(data: bytes, made: list[Change]) -> None:
        for change in made:
            data = change(data)
        law.check(data)

    holds()
