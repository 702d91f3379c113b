"""How the C library's allocator treats what large requests leave behind."""

import ctypes
import os
from typing import Final

# Source: mallopt(3) of glibc; the numbers are those of its malloc.h.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
KEPT_BYTES: Final = 16 << 20
"""The most free memory that is kept for the next request instead of being given back."""
MAPPED_BYTES: Final = 4 << 20
"""From this size on, memory comes from the system and goes back to it at once."""


def keep() -> None:
    """Keep some memory between requests.

    By default all above 128 KiB is given back as soon as it is free, and comes anew, page by page and cleared, for the
    next body of that size: an eighth of what a prompt of 100 KB costs. Who has set glibc's variables is heeded. Other
    C libraries have no such call.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or any(name.startswith("MALLOC_") for name in os.environ):
        return
    mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
    mallopt(_MMAP_THRESHOLD, MAPPED_BYTES)
