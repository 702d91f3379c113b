"""Resources and credentials in, snapshots and verdicts out. Pure: equal inputs give byte-equal snapshots, in any order.

A bad resource never spoils a good one: it is left out, and its verdict says why.
"""
