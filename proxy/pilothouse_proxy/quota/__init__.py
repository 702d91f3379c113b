"""How much a caller may still use: sliding windows, reservations, what a client is told of them.

`window` and `estimate` are pure; `stores` keep the counters; `reserve` decides. Knows callers by the attributes that
quotas name, not how they signed in.
"""
