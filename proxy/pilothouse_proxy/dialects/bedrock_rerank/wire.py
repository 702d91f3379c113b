"""What is read of answers. A module of its own, because these types are read from their annotations at run time."""

import msgspec


class Result(msgspec.Struct):
    index: int
    relevance_score: float


class Reply(msgspec.Struct):
    results: list[Result]
