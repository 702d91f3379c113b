"""A request as it was received."""

from pilothouse_proxy.http.messages import Headers


class Memory:
    """Where an application keeps what it has found out from a caller's headers.

    The requests of one connection share it as long as their headers are the same, but for `content-length`.
    """

    def __init__(self) -> None:
        self.by: object = None
        """Who has found it out; nobody else may make use of it."""
        self.found: object = None


class Request:
    """One request as received, body complete (its size bounded by `limits`)."""

    def __init__(self, *, method: bytes, path: bytes, query: bytes, headers: Headers, body: bytes, peer: str) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.peer = peer
        self.memory: Memory | None = None

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header (name in lower case)."""
        for key, value in self.headers:
            if key == name:
                return value
        return None
