"""What the operator sends and a proxy runs: frozen structs, their canonical bytes, the lines of the control stream.

Normalised: tables by key, references by name. Knows nothing of the resources it was compiled from. Fields are only
ever added, with defaults, so that proxies and operator may be upgraded in either order.
"""
