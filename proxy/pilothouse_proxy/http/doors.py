"""Who may connect: so many in all, so many from one address. Pure."""

LINGERING = 32
"""So many connections that were refused are kept for the moment that it takes them to hear of it; others are cut."""


class Doors:
    """Counts connections in and out. Plain numbers for whoever exports them; a limit of 0 is none."""

    def __init__(self, *, most: int = 0, most_a_peer: int = 0) -> None:
        self.most = most
        self.most_a_peer = most_a_peer
        self.connections = 0
        """Those that were let in, TLS handshakes among them."""
        self.refused = {"total": 0, "peer": 0}
        self.unheard = 0
        """Those of them that were refused and are still there to hear of it."""
        self.handshake_failures = 0
        self._peers: dict[str, int] = {}

    def enter(self, peer: str) -> str:
        """Let in one more from this address. Else the reason why not, for its author."""
        if self.most and self.connections >= self.most:
            self.refused["total"] += 1
            return f"this server has {self.most} connections, as many as it takes; try again in a moment"
        if self.most_a_peer:
            here = self._peers.get(peer, 0)
            if here >= self.most_a_peer:
                self.refused["peer"] += 1
                return f"{peer} has {here} connections to this server, as many as one address gets; reuse them"
            self._peers[peer] = here + 1
        self.connections += 1
        return ""

    def leave(self, peer: str) -> None:
        """One that was let in has gone."""
        self.connections -= 1
        if self.most_a_peer:
            here = self._peers[peer] - 1
            if here:
                self._peers[peer] = here
            else:
                del self._peers[peer]
