"""Which family of models does what through which API: as the code declares it, shown and tried cell by cell.

`python -m tests.conformance` runs every cell through a proxy of its own against the simulators.
"""
