"""The command line: finds the subcommand and hands it the rest. Nothing is loaded that the subcommand does not need."""

import importlib
import sys

_COMMANDS = {
    "up": ("up", "serve a directory of manifests on this machine: the operator's core and a proxy"),
    "operator": ("run_operator", "the control plane in a cluster"),
    "proxy": ("run_proxy", "the data plane: one proxy that an operator configures"),
    "validate": ("validate", "check a directory of manifests and say what is wrong with it"),
    "version": ("version", "the version of this program"),
}


def main() -> None:
    """Entry point of the `pilothouse` program."""
    sys.exit(_dispatch(sys.argv[1:]))


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in {"-h", "--help", "help"}:
        print(_usage())
        return 0 if argv else 2
    command = _COMMANDS.get("version" if argv[0] == "--version" else argv[0])
    if command is None:
        print(f"pilothouse: there is no command {argv[0]!r}\n\n{_usage()}", file=sys.stderr)
        return 2
    module = importlib.import_module(f"pilothouse.{command[0]}")
    return int(module.run(argv[1:]))


def _usage() -> str:
    lines = [f"  {name:<10} {purpose}" for name, (_, purpose) in _COMMANDS.items()]
    return "\n".join(["usage: pilothouse COMMAND [OPTION]…", "", *lines, "", "pilothouse COMMAND --help tells more"])


if __name__ == "__main__":
    main()
