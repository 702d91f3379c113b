"""One file a kind of provider: where it is, and how to sign in there. The union is in `resources.provider`."""
