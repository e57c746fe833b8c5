"""The engine: load, plan, record the intent, execute, record the outcome, know.

Owns: the reconcile loop, the worker that holds runs, operations (what a run does at a provider), bulk observation, the
sweep, the mirror of declared files. It meets the world only through ports.
Imported by: wiring, operator, console, cli. Never: imports an adapter, a driver, or a sibling room.
"""
