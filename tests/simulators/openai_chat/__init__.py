"""The OpenAI wire format: chat completions, embeddings, models, and their refusals.

Shared by the Azure OpenAI stand-in and the plain OpenAI-compatible one. Nothing here knows of URLs, keys or content
filters.
"""
