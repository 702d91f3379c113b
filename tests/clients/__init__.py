"""Clients that nobody here wrote, run against a proxy and against the simulators behind it.

They live in an environment of their own (`make clients`, pins in requirements.lock), because their pins are not ours.
The scripts take addresses from the environment, so they may be pointed at any gateway; `python -m tests.clients` starts
one with the quickstart's manifests and runs them all. No module here imports Pilothouse.
"""
