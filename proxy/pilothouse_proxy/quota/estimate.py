"""Tokens before anybody has counted them. No tokenizer: bytes times a ratio that is learned from what providers report.

Latin text is about 0.27 tokens a byte of UTF-8. Too high a guess refuses callers who have quota left, too low a guess
lets a burst through before the truth arrives; both are settled with what the provider reports.
"""

from typing import Final

from pilothouse_proxy.exchange.usage import Usage

TOKENS_A_BYTE: Final = 0.27
RATIO_BOUND: Final = 3.0
"""A learned ratio stays within a third and three times of the start, whatever a provider reports."""
LEARNING: Final = 0.05
REQUEST_TOKENS: Final = 7
IMAGE_TOKENS: Final = 1_600
"""Of an image whose size is not looked at."""
OUTPUT_TOKENS: Final = 512.0
"""What an answer is taken to hold at first when the client sets no limit."""
_QUANTILE: Final = 0.95
_INLINE: Final = b";base64,"
_INLINE_LOOKED_FOR_BYTES: Final = 4_096
_SEMICOLONS: Final = 64
_DATA: Final = b'"data"'
_SHORTEST_BYTES: Final = 64
"""No image is shorter; an event or a record of that name is text."""


class Measured:
    """A request's body: the bytes of it that are text, and the images and files in base64 that are not."""

    def __init__(self, text_bytes: int, images: int) -> None:
        self.text_bytes = text_bytes
        self.images = images


class Estimator:
    """Learns for one route. Its figures are shared by all its requests."""

    def __init__(self) -> None:
        self._ratio = TOKENS_A_BYTE
        self._output = OUTPUT_TOKENS

    def input_tokens(self, measured: Measured) -> int:
        """What the request's body holds, images given inside of it included."""
        return int(measured.text_bytes * self._ratio) + measured.images * IMAGE_TOKENS + REQUEST_TOKENS

    @property
    def output_tokens(self) -> int:
        """What 95 of 100 answers stay below, as far as is known."""
        return int(self._output)

    def learn(self, measured: Measured, usage: Usage) -> None:
        """Settle with what the provider has reported for this body."""
        if usage.estimated or not usage.input_tokens:
            return
        text_bytes, images = measured.text_bytes, measured.images
        # Where images were sent, nobody says which part of the figure is theirs.
        if not images and text_bytes:
            seen = usage.input_tokens / text_bytes
            ratio = self._ratio + LEARNING * (seen - self._ratio)
            self._ratio = min(max(ratio, TOKENS_A_BYTE / RATIO_BOUND), TOKENS_A_BYTE * RATIO_BOUND)
        # Quantile by stochastic approximation: up a large step when exceeded, down a small one when not.
        step = LEARNING * max(self._output, 16.0)
        self._output += step * (_QUANTILE if usage.output_tokens > self._output else _QUANTILE - 1)


def measure(body: bytes) -> Measured:
    """Once a request: a long body is searched through."""
    if len(body) < _INLINE_LOOKED_FOR_BYTES:
        return Measured(len(body), 0)
    text_bytes, images = len(body), 0
    at = _find_inline(body, 0)
    while at >= 0:
        end = body.find(b'"', at)
        if end < 0:
            break
        text_bytes -= end - at
        images += 1
        at = _find_inline(body, end)
    return Measured(text_bytes, images)


def measure_members(body: bytes) -> Measured:
    """The same of Anthropic's Messages, where base64 is the member `data` of a source."""
    text_bytes, images = len(body), 0
    at = body.find(_DATA) if text_bytes >= _INLINE_LOOKED_FOR_BYTES else -1
    while at >= 0:
        begin = at + len(_DATA)
        quote = body.find(b'"', begin)
        end = body.find(b'"', quote + 1)
        if quote < 0 or end < 0:
            break
        if body[begin:quote].strip() == b":" and end - quote > _SHORTEST_BYTES:
            text_bytes -= end - quote
            images += 1
        else:
            end = begin
        at = body.find(_DATA, end)
    return Measured(text_bytes, images)


def _find_inline(body: bytes, at: int) -> int:
    """Where the next base64 begins, or -1. Base64 holds no semicolon and prose few: to look for one byte is ten times
    as fast as for eight, as long as it is rare.
    """
    for _ in range(_SEMICOLONS):
        at = body.find(b";", at)
        if at < 0 or body.startswith(_INLINE, at):
            return at
        at += 1
    return body.find(_INLINE, at)
