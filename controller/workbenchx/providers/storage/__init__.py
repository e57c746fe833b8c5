"""Storage adapters: where bytes lie under the name of their sha256.

Owns: `local` (a folder). Imported by: wiring. Never: meets another adapter; keeps a name of its own for bytes.
"""
