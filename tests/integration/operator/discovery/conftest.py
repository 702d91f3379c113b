"""Accounts to list: the simulators of models."""

from tests.simulators.fixtures import simulators, simulators_thread

__all__ = ["simulators", "simulators_thread"]
