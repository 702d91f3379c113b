"""Ties a child process to its parent: replaces itself by a command that ends when the parent does, even by SIGKILL."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2)

ARGUMENTS = ("-P", "-c", "from pilothouse import leash; leash.run()")
"""For a Python interpreter, before the parent's pid and the command."""


def run() -> None:
    """`argv` is the parent's pid and the command. Where there is no prctl (macOS), the command runs untied."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        # SIGTERM, so that the child can drain. Survives execve, which a pre-exec hook of the parent could do as well,
        # but a hook between fork and exec is not safe in a process with threads.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)  # it died before the tie held
    try:
        os.execvp(command[0], command)  # noqa: S606 - the point is to become exactly this command, without a shell
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")
