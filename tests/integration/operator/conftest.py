"""Everything is logged, as an operator does whose log level is debug: no SDK may tell what it sends or gets."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def whole_log(logs_show_no_secret: None) -> Iterator[None]:
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    yield
    root.setLevel(before)
