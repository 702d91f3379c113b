"""Runs the measurement."""

from tests.load.peers.compare import run

run()
