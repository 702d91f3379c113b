"""What the outcome looks like to users: `patch` decides (pure), `writer` applies, `events` tells of transitions.

Only the leader writes. Verdicts come from `compile`; nothing is judged here.
"""
