"""When to ask again: shares of a lifetime, jitter, back-off, and how much at once a service bears. Pure but for sleep."""
