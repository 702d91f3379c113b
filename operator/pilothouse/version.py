"""`pilothouse version`."""

import argparse
import importlib.metadata


def version() -> str:
    """Of the installed distribution."""
    return importlib.metadata.version("pilothouse")


def run(argv: list[str]) -> int:
    """Prints it."""
    parser = argparse.ArgumentParser(prog="pilothouse version", description="Print the version of Pilothouse.")
    parser.parse_args(argv)
    print(version())
    return 0
