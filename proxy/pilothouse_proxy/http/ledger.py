"""How much of the messages of all connections is in memory at a time, against one budget. Pure."""

from pilothouse_proxy.http.limits import KIB, MIB

COPIES = 2
"""Of a request's body, while it is being answered."""
SMALL_BYTES = 2 * KIB
"""Up to this size a body that has come whole is neither counted nor refused: most chats are worth no addition."""


class Ledger:
    """Plain numbers, each kept by who holds the bytes: in one addition where they come, in another where they go.

    Counted is what can grow: a head, or what one read brings of a stream, is not, nor are copies that are made in
    passing. So the budget is to leave as much again for those, and for what the allocator keeps.
    """

    def __init__(self, budget_bytes: int = 256 * MIB) -> None:
        self.budget_bytes = budget_bytes
        self.arriving_bytes = 0
        """Of request bodies that are not whole yet: nobody has asked who sends them."""
        self.held_bytes = 0
        """Bodies of requests that are being answered, twice: as the client sent them, for another attempt, and as the
        provider gets them."""
        self.ahead_bytes = 0
        """What clients have sent before their last request was answered."""
        self.owed_bytes = 0
        """Answers that slow clients have not taken, where they exceed the high-water mark."""
        self.reading_bytes = 0
        """Providers' answers that are passed on in one piece, hence kept until they are whole."""
        self.refusals = 0
        """Requests that were refused because there was no room for them."""

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.arriving_bytes + self.held_bytes + self.ahead_bytes + self.owed_bytes + self.reading_bytes

    @property
    def body_limit_bytes(self) -> int:
        """Of a single body, so that two of the largest can be held at a time."""
        return self.budget_bytes // (2 * COPIES)

    def has_room(self, size: int = 0) -> bool:
        """For so many bytes more; for none: whether it has not grown too far."""
        return self.total_bytes + size <= self.budget_bytes

    def lets_in(self, arrived: int, rest: int) -> bool:
        """The rest of a body that is arriving, and its being held then.

        Bodies of callers who are unknown yet get half of the budget, so that they cannot starve those who are known.
        """
        more = COPIES * (arrived + rest) - arrived
        return self.arriving_bytes + rest <= self.budget_bytes // 2 and self.has_room(more)

    def kinds(self) -> dict[tuple[str, ...], float]:
        """Each number by its name, for whoever exports them."""
        return {
            ("arriving",): float(self.arriving_bytes),
            ("held",): float(self.held_bytes),
            ("ahead",): float(self.ahead_bytes),
            ("owed",): float(self.owed_bytes),
            ("reading",): float(self.reading_bytes),
        }
