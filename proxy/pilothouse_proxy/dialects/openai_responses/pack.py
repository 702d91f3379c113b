"""Signed reasoning in `encrypted_content`: an opaque text of ours, which clients without a stored state send back.

"pilothouse.1." + base64( JSON list of [text, signature] for a thinking block, [base64] for a redacted one )
"""

import binascii

import msgspec

from pilothouse_proxy.exchange.parts import RedactedThinking, Thinking

Block = Thinking | RedactedThinking

_VERSION = "pilothouse.1."
_rows: msgspec.json.Decoder[list[list[str | None]]] = msgspec.json.Decoder(list[list[str | None]])


def packed(blocks: list[Block]) -> str:
    """The text for `encrypted_content`."""
    rows = [
        [block.base64] if isinstance(block, RedactedThinking) else [block.text, block.signature] for block in blocks
    ]
    return _VERSION + binascii.b2a_base64(msgspec.json.encode(rows), newline=False).decode()


def unpacked(text: str) -> list[Block] | None:
    """The blocks, byte for byte what they were; None for what is not of this gateway's making.

    Raises:
        ValueError: it is, but it was changed on the way.
    """
    if not text.startswith(_VERSION):
        return None
    try:
        rows = _rows.decode(binascii.a2b_base64(text[len(_VERSION) :], strict_mode=True))
    except (binascii.Error, RecursionError) as error:
        raise ValueError(str(error)) from None
    return [_block(row) for row in rows]


def _block(row: list[str | None]) -> Block:
    first = row[0] if row else None
    if first is None or len(row) > 2:
        raise ValueError("a block is of one or two texts")
    return Thinking(text=first, signature=row[1]) if len(row) == 2 else RedactedThinking(base64=first)
