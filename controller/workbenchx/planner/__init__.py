"""The planner: `plan(world) -> Plan`, pure, synchronous, deterministic.

Owns: the diff of declared, recorded and observed; one rule file per kind; brakes, moves, cost, rendering.
Imported by: ports, engine, cli. Never: reads a clock, a file, a database or the environment.
"""
