"""Where a foreign exception came from, for the log. Pure."""

import traceback


def frames(error: BaseException) -> str:
    """Its type and the lines of code that it passed, not its text: that of a foreign library may quote a secret."""
    return f"{type(error).__name__}, from\n{''.join(traceback.format_tb(error.__traceback__))}".rstrip()
