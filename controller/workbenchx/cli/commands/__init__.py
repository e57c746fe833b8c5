"""One file per command: arguments in, one call of the App, words out.

Imported by: main, lazily. Never: imports another command.
"""
