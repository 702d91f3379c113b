"""What answers of providers' own APIs tell of tokens, whichever dialect they are in: they pass as they are. Pure."""
