"""The contract between users, operator and proxies: resource types, snapshot types, names and conditions.

Pure; imports neither plane.
"""
