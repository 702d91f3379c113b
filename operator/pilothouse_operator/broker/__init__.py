"""Keeps credentials that end: asks the clouds' services for them, ahead of time, and never all at once."""
