"""OpenAI's chat completions, as clients speak it and as OpenAI-compatible and Azure OpenAI providers do. Pure.

`peek` reads what routing needs; `passthrough` and `relay` carry bytes between two speakers of the same dialect. To and
from the exchange go `client` (`decode`, `messages`, `encode`, `chunks`) and `provider` (`request`, `turns`, `reply`,
`stream`), which knows models by `rules`. Source: the OpenAI API reference, Chat Completions.
"""
