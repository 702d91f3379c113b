"""One file a store outside the cluster: a value's reference and the sign-in to its store → what to fetch, and as whom.

Pure; siblings do not know each other. The union is in `compile.references`.
"""
