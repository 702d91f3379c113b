"""The command line, a file a subcommand.

The only room that sees both planes; imports them lazily, so that `pilothouse proxy` never loads kopf.
"""
