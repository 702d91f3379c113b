"""The ordinary events of a stream that passes as it is: from socket to socket, framing and all."""

from pilothouse_proxy.framing.mould import Mould
from pilothouse_proxy.http.bypass import Bypass
from pilothouse_proxy.http.responder import Responder


class Shortcut(Bypass):
    """What comes as one event in one chunk, as most do, and fits the stream's mould."""

    def __init__(self, mould: Mould, responder: Responder) -> None:
        self._mould = mould
        self._responder = responder
        self.events = 0
        """How many have gone this way."""

    def take(self, framed: bytes, start: int, end: int) -> bool:
        if not self._mould.fits(framed, start, end) or not self._responder.forward(framed):
            return False
        self.events += 1
        return True
