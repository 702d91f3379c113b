"""Options of the whole suite."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.goldens import Goldens

# A slow machine is no fault of what is tested.
settings.register_profile("pilothouse", deadline=None)
settings.load_profile("pilothouse")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-golden", action="store_true", help="write the golden files anew instead of comparing")


@pytest.fixture
def goldens(request: pytest.FixtureRequest) -> Goldens:
    """Compares with golden files below the test's own folder, or writes them."""
    return Goldens(folder=Path(request.path).parent, write=bool(request.config.getoption("--write-golden")))
