"""Sandbox adapters: where code runs.

Owns: `local` (this machine), `kubernetes` (a cluster), and `supervision`, what both let run beside a program. Imported by:
wiring. Never: an adapter meets another; imported names stay in their module.
"""
