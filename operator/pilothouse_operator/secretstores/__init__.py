"""Secrets by reference, a file a store. What nobody refers to is never read."""
