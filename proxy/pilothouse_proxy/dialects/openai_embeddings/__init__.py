"""OpenAI's embeddings, as clients, OpenAI-compatible and Azure OpenAI providers speak it. Pure.

`passthrough` leaves bytes as they are; `client` is the half that faces clients of models which speak another dialect.
Source: the OpenAI API reference, Embeddings.
"""
