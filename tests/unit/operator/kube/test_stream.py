import pytest

from pilothouse_operator.kube.errors import Unavailable
from pilothouse_operator.kube.stream import Lines

WHOLE = b'{"a": 1}\n\n{"b": "\xc3\xa9"}\n'


@pytest.mark.parametrize("size", range(1, len(WHOLE) + 1))
def test_lines_are_the_same_however_the_stream_is_cut(size: int) -> None:
    lines = Lines("watch")
    found = [line for at in range(0, len(WHOLE), size) for line in lines.feed(WHOLE[at : at + size])]
    lines.end()
    assert found == [b'{"a": 1}', b'{"b": "\xc3\xa9"}']


def test_an_end_within_a_line_is_an_error() -> None:
    lines = Lines("watch")
    assert list(lines.feed(b'{"a": 1}\n{"b"')) == [b'{"a": 1}']
    with pytest.raises(Unavailable, match="broke off"):
        lines.end()


def test_a_line_without_end_is_given_up() -> None:
    lines = Lines("watch")
    with pytest.raises(Unavailable, match="longer than"):
        for _ in range(20):
            list(lines.feed(b"x" * (1 << 20)))
