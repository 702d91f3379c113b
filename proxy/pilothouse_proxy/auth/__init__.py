"""Who calls: API keys by their hash, ServiceAccount tokens by their signature, or the one caller of a sidecar.

What a caller sent as its key is read here and nowhere else, and never kept: only its SHA-256 is.
"""
