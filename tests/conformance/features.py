"""What a cell of the matrix is about."""

import enum


class Feature(enum.Enum):
    """The value is the heading in docs/providers.md."""

    TEXT = "text"
    STREAM = "streaming"
    SYSTEM = "system"
    SAMPLING = "temperature"
    STOP = "stop"
    TOOLS = "tools"
    TOOLS_STREAMED = "tools, streamed"
    TOOL_RESULTS = "tool results"
    FORCED_TOOL = "forced tool"
    IMAGE = "images"
    DOCUMENT = "documents"
    SCHEMA = "JSON schema"
    REASONING = "reasoning"
    EMBED = "vectors"
    EMBED_MANY = "several texts"
    BASE64 = "base64"
    DIMENSIONS = "dimensions"
    EMBED_IMAGE = "images in"
    RANK = "ranking"
    RANK_DOCUMENTS = "documents back"
    COUNT = "count"


STREAMED = frozenset({Feature.STREAM, Feature.TOOLS_STREAMED})
"""Those whose answer is a stream."""
