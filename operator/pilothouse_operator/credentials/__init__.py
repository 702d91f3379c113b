"""From what Secrets hold to a credential that a proxy may have: one file a kind of sign-in, and what gathers them.

Reads through a SecretStore and never waits for it. Kinds do not know one another; the reconciler joins them.
"""
