"""Stand-ins for Bedrock runtime, Azure OpenAI and a plain OpenAI-compatible service, on loopback.

Here live their wire formats, sign-in checks, refusals, faults, the recorder and the admin API. They are written
from the providers' published behaviour and proven by the providers' own SDKs, so nothing here may import Pilothouse.
Start them with `python -m tests.simulators`, in process through `fleet.Simulators`, or by the fixtures.
"""
