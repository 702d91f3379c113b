"""From the resource types to what others read: CRD documents and reference pages. Pure.

`make crds` and `make docs` write the files; lint fails when they drift.
"""
