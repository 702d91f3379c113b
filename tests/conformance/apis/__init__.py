"""One file an API of clients: how it asks for a feature, and how its answers are read with its SDK's own types."""
