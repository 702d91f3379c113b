"""HTTP/1.1, both sides: server, pooled client, TLS. No word of LLMs in here.

`parser` and `messages` are pure; `server`, `client` and `pool` are the only places of the proxy that touch sockets.
Errors of the operating system, of TLS and of the parsers end here, as the five of `messages`.
"""
