"""Options of the whole suite, and what holds for every test of it: nothing that it logs or is told shows a secret."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import planted
from tests.goldens import Goldens

planted.plant_every_secret()
# A slow machine is no fault of what is tested.
settings.register_profile("pilothouse", deadline=None)
settings.load_profile("pilothouse")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-golden", action="store_true", help="write the golden files anew instead of comparing")


@pytest.fixture
def goldens(request: pytest.FixtureRequest) -> Goldens:
    """Compares with golden files below the test's own folder, or writes them."""
    return Goldens(folder=Path(request.path).parent, write=bool(request.config.getoption("--write-golden")))


class _Lines(logging.Handler):
    """Everything that is logged, as a reader of the log would see it, with tracebacks."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []
        self._threads = threading.Lock()
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        with self._threads:
            self.lines.append(line)


@pytest.fixture(autouse=True)
def logs_show_no_secret() -> Iterator[None]:
    """Fails a test whose process has logged a planted secret; what it planted itself is forgotten after it."""
    mark, handler = planted.PLANTED.mark(), _Lines()
    root = logging.getLogger()
    root.addHandler(handler)
    yield
    root.removeHandler(handler)
    try:
        planted.sweep([("the log", "\n".join(handler.lines))])
    finally:
        planted.PLANTED.forget(mark)
