"""One proxy for all tests of a module: what a fault leaves behind would show in the next test."""

from collections.abc import Iterator

import pytest

from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.faults.stand import Stand
from tests.integration.proxy.faults.wire import Cloud
from tests.integration.proxy.process import process


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with ControlServer(None) as control, process(*control.flags) as running:
        yield Stand(control, running)


@pytest.fixture
def first() -> Iterator[Cloud]:
    with Cloud() as running:
        yield running


@pytest.fixture
def second() -> Iterator[Cloud]:
    with Cloud() as running:
        yield running
