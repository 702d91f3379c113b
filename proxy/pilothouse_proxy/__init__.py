"""The data plane: one process that serves the OpenAI API according to the newest snapshot.

Loads no cloud SDK, no pydantic, no Kubernetes client.
"""
