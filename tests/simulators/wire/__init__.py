"""A minimal HTTP/1.1 server: requests in, timed byte steps out.

Knows nothing of providers. It must be able to break the protocol on demand (cuts, resets, silence), which is why it is
not a library.
"""
