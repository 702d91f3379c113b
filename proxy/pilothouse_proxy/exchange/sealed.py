"""Reasoning that one dialect alone can read, carried through others as redacted thinking and back.

    base64( mark and version, JSON of the dialect's own )

A dialect that meets what another one has sealed leaves it out: no model but its author can read it.
"""

import binascii

import msgspec

from pilothouse_proxy.exchange.parts import RedactedThinking

_MARK = b"pilothouse.r1:\n"
"""With a length that base64 does not pad: every sealed text begins alike. The digit is the version."""
_BEGINNING = binascii.b2a_base64(_MARK, newline=False).decode()


def seal(content: object) -> RedactedThinking:
    """The block that carries `content`, anything that JSON can say."""
    raw = _MARK + msgspec.json.encode(content)
    return RedactedThinking(base64=binascii.b2a_base64(raw, newline=False).decode())


def is_sealed(block: RedactedThinking) -> bool:
    """Whether it is none of a model's own."""
    return block.base64.startswith(_BEGINNING)


def opened(block: RedactedThinking) -> bytes | None:
    """The JSON that was sealed; None if nothing was, or it is damaged."""
    if not is_sealed(block):
        return None
    try:
        return binascii.a2b_base64(block.base64)[len(_MARK) :]
    except (binascii.Error, ValueError):
        return None
