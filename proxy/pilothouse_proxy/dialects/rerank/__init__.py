"""Reranking in the form that Cohere's API (`/v2/rerank`), Jina's (`/v1/rerank`) and model servers share. Pure.

`passthrough` leaves bytes as they are; `client` is the half that faces clients of models which speak another dialect.
Sources: the API references of Cohere ("Rerank", v1 and v2) and Jina ("Reranker"), vLLM's "Re-rank API".
"""
