"""Everything is logged, as an operator does whose log level is debug."""

from tests.integration.operator.conftest import whole_log

__all__ = ["whole_log"]
