"""The store: Postgres, and everything that is said to it.

Owns the embedded server, the migrations' runner, the named SQL files and the one implementation of `ports.Store`.
Imported by: wiring, cli (through wiring). Never: plans, calls a provider, decides what a state means.
"""
