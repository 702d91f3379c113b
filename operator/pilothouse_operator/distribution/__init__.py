"""Snapshots on their way to proxies, and what proxies say back: the control stream, its TLS and who may open it.

`hub` knows scopes, streams and acks and does no I/O; `server` is its HTTP shell. Nothing here knows a resource's spec.
"""
