"""What keeps a World current: a cluster, or a directory of manifests; and who may call, read from the same places.

The merging itself (`ledger`, `manifests`, `contents`, `shelf`, `api_keys`) is pure; the others do the I/O.
Nothing is ever written into what users wrote.
"""
