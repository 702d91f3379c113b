"""Runs the measurement."""

from tests.load.reconfigure.measure import run

run()
