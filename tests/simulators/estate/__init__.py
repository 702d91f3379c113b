"""Every simulator in one process, joined: what one of them issues, the others take until it ends or is revoked.

Here live the doors in front of the services, the ledger of what was seen through them, the secrets that last, and the
admin API for all of it. `python -m tests.simulators --everything` starts it.
"""
