"""`python -m tests.load.rotation`; see `measure`."""

from tests.load.rotation.measure import run

run()
