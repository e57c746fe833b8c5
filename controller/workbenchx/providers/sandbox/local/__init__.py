"""The `local` sandbox: programs on this machine, each under its own supervisor.

Two halves that share the folder of a sandbox and nothing else. The caller's half (adapter, staging, isolation,
interpreters, link) lives in the process of `wbx`. The supervisor's half (zygote, supervisor, tree, output, relay,
holder) imports only the standard library, since it is forked for every run and must outlive `wbx`.
Imported by: wiring. Never: keeps state in memory that the folder does not hold.
"""
