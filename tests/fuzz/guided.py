"""One law against inputs that coverage guides. Runs where atheris is; libFuzzer ends the process.

guided.py LAW [libFuzzer's flags and corpora]
"""

import sys

import atheris

with atheris.instrument_imports(include=["pilothouse_proxy"]):
    from tests.fuzz.laws import LAWS

    name, *arguments = sys.argv[1:]
    # Dialects are loaded by name, at first use.
    LAWS[name].check(LAWS[name].seeds()[0])


def main() -> None:
    """Runs until libFuzzer has had enough, or finds something."""
    atheris.Setup([sys.argv[0], *arguments], LAWS[name].check)
    atheris.Fuzz()


main()
