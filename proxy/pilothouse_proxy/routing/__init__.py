"""Which route serves a name, which target is tried next, when to try again. Pure.

Time, randomness and what is known of the targets' health are arguments; `health` and `budget` hold numbers, no clock.
"""
