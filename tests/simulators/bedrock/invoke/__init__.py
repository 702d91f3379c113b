"""InvokeModel: native bodies, a module a family. What a family takes, and how it refuses, follows AWS's user guide
("Inference request parameters and response fields") and messages that users have reported.
"""
