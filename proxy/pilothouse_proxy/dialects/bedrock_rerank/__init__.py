"""Rerank models on Amazon Bedrock by InvokeModel: the exchange to and from their native bodies. Pure.

Cohere Rerank 3.5 and Amazon Rerank 1.0 share them, but for Cohere's `api_version`. Unlike the operation Rerank of
Bedrock's agents this needs no host and no permission beside those of inference, and takes API keys. Sources: the Amazon
Bedrock user guide ("Use a reranker model"), Cohere's API reference (Rerank v2).
"""
