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
