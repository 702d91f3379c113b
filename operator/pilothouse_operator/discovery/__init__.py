"""Finds out what an account has: one file a kind of account, asked at intervals; the last list stands meanwhile.

What is known of models at large (`catalogue`) is data with a source, and no account's.
"""
