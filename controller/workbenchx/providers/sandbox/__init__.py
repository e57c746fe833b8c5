"""Sandbox adapters: where code runs.

Owns: `local` (this machine). Imported by: wiring. Never: meets another adapter; imported names stay in their module.
"""
