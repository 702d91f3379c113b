"""One folder a kind of provider: where a request goes, how it is signed, what an error answer means. Pure.

Providers do not know each other and register nowhere by themselves: `registry` names them by string. Each exposes
`PROVIDER`, a value that satisfies `ports.Provider`. What their dialects say lives in `dialects`, not here.
"""
