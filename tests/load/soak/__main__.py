"""Runs it."""

from tests.load.soak.soak import run

run()
