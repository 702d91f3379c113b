"""Runs the measurement."""

from tests.load.bench.proxy import run

run()
