"""Embedding models on Amazon Bedrock: the exchange to and from native bodies of InvokeModel, a module a dialect. Pure.

`models` holds which model speaks which dialect, and what it takes. Sources: the Amazon Bedrock user guide, "Inference
request parameters and response fields" (Titan Text and Multimodal Embeddings, Cohere Embed v3 and v4, Marengo Embed 2.7
and 3.0 of TwelveLabs), and the Amazon Nova user guide, "Complete embeddings request and response schema".
"""
