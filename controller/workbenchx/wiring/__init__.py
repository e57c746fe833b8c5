"""Wiring: settings, the program's own log, the home folder, and the one place that picks adapters (app).

Imported by: operator, console, cli. Never: decides anything about resources.
"""
