"""Every cell of docs/providers.md, tried through a real proxy against the simulators."""

from collections.abc import Iterator

import pytest

from tests.conformance.cells import Cell, cells
from tests.conformance.drive import attempt, configuration
from tests.conformance.features import Feature
from tests.conformance.rows import ROWS
from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.process import process
from tests.simulators.fixtures import simulators_thread  # noqa: F401 -- a fixture
from tests.simulators.fleet import Simulators

CELLS = cells()


@pytest.fixture(scope="module")
def url(simulators_thread: Simulators) -> Iterator[str]:  # noqa: F811 -- the fixture
    simulators_thread.controls.reset()
    with ControlServer(configuration(simulators_thread)) as control, process(*control.flags) as proxy:
        proxy.event("configuration applied")
        yield f"http://127.0.0.1:{proxy.port}"


@pytest.mark.parametrize("cell", CELLS, ids=[cell.name for cell in CELLS])
def test_a_cell_does_what_the_code_declares(cell: Cell, url: str) -> None:
    attempt(cell, url)


def test_no_row_and_no_feature_is_without_a_cell() -> None:
    assert {cell.row for cell in CELLS} == set(ROWS)
    assert {cell.feature for cell in CELLS} == set(Feature)
    assert len({cell.name for cell in CELLS}) == len(CELLS)
