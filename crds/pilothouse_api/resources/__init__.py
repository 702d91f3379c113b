"""Resources as users write them: pydantic types with descriptions, defaults and bounds; parsing with field paths.

The one source of the CRDs, of the reference pages and of what the operator accepts. Knows nothing of snapshots. Pure.
The proxy never loads it.
"""
