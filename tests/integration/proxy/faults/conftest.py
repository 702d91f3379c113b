"""One proxy for all tests of a module: what a fault leaves behind would show in the next test."""

from collections.abc import Iterator

import pytest

from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.faults.crowd import Crowd, crowd
from tests.integration.proxy.faults.stand import Stand
from tests.integration.proxy.faults.wire import Cloud
from tests.integration.proxy.process import process


@pytest.fixture(scope="module")
def shared() -> Iterator[Stand]:
    with ControlServer(None) as control, process(*control.flags, "--admin-listen=127.0.0.1:0") as running:
        yield Stand(control, running)


@pytest.fixture
def stand(shared: Stand) -> Iterator[Stand]:
    yield shared
    shared.release()


@pytest.fixture
def first() -> Iterator[Cloud]:
    with Cloud() as running:
        yield running


@pytest.fixture
def second() -> Iterator[Cloud]:
    with Cloud() as running:
        yield running


@pytest.fixture
def both() -> Iterator[Crowd]:
    """Answers whole or streamed, as it is asked."""
    with crowd() as running:
        yield running
