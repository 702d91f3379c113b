"""When to ask again: shares of a lifetime, jitter, back-off, how much at once a service bears. Pure, or it sleeps."""
