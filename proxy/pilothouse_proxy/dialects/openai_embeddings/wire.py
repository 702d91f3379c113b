"""What a request for embeddings is made of. A module of its own: types are read from their annotations at run time."""

import msgspec


class Item(msgspec.Struct, forbid_unknown_fields=True):
    """An extension of ours: an image as a data URL, or a text and an image that make one vector together."""

    text: str | None = None
    image: str | None = None


Input = str | Item | list[str | int | list[int] | Item]
