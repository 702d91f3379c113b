"""OpenAI's chat completions, as clients speak it and as OpenAI-compatible and Azure OpenAI providers do. Pure.

`peek` reads what routing needs; `passthrough` and `relay` carry bytes between two speakers of the same dialect;
`decode`, `encode` and `chunks` go to and from the exchange. Source: the OpenAI API reference, Chat Completions.
"""
