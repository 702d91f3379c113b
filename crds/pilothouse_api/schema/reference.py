"""The reference pages: every field, every condition, every reason."""


def pages() -> dict[str, str]:
    """Markdown by file name."""
    return {}
