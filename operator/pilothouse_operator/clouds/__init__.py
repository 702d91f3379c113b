"""How the operator itself signs in to clouds and stores: one file a kind of identity, with the cloud's own SDK.

Used by what issues credentials and by what reads secrets there. SDKs are loaded when first needed.
"""
