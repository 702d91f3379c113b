"""One file a kind of provider: its manifest → the endpoint that proxies call, and the Secret keys of its sign-in.

Pure; siblings do not know each other. The union is in `compile.lowering`.
"""
