"""The one place that calls the API server, through `kubernetes.aio`: objects are dicts, errors are ours.

What an answer means is decided by the callers (sources, secretstores, status, leader, distribution), not here.
"""
