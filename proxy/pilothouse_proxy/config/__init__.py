"""Where the configuration comes from: the operator's control stream, and before that the last good one on disk.

`applier` builds beside the old runtime and swaps one reference; what cannot be built is refused and the old one stays.
"""
