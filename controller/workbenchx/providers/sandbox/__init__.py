"""Sandbox adapters: where code runs.

Owns: `local` (this machine), `kubernetes` (a cluster), `vercel_sandbox` (Vercel's microVMs), `supervision`, what they let run
beside a program, and `inside`, what is executed where that is elsewhere. Imported by: wiring. Never: an adapter meets another; imported names stay in their module.
"""
