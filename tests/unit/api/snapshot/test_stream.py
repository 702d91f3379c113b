import msgspec
import pytest

from pilothouse_api.names import Scope
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.snapshot import SCHEMA, Snapshot
from pilothouse_api.snapshot.stream import Heartbeat, Hello, Publication, StreamLine, Subject

LINES: list[StreamLine] = [
    Hello(scope=Scope("gateway"), subject=Subject(namespace="a", service_account="b"), replica="r"),
    Heartbeat(),
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_known_by_its_type(line: StreamLine) -> None:
    assert msgspec.json.decode(msgspec.json.encode(line), type=StreamLine) == line


def test_the_version_is_that_of_the_bytes_as_they_stand_in_the_line() -> None:
    encoded = canonical.encode(Snapshot(schema=SCHEMA, scope=Scope("gateway")))
    sent = Publication(version=canonical.version(encoded), snapshot=msgspec.Raw(encoded), seen={"modelroutes": "7"})
    read = msgspec.json.decode(msgspec.json.encode(sent), type=StreamLine)
    assert isinstance(read, Publication)
    assert canonical.version(read.snapshot) == read.version == sent.version
