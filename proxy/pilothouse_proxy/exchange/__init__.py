"""One request and its reply in neutral words: what every dialect decodes to and encodes from. Pure."""
