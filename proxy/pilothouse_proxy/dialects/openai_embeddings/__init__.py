"""OpenAI's embeddings, as clients, OpenAI-compatible and Azure OpenAI providers speak it: bytes pass through. Pure.

Source: the OpenAI API reference, Embeddings.
"""
