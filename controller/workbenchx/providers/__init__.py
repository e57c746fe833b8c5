"""The providers: adapters to where code runs, models answer and bytes lie.

Owns: one adapter per option, each unaware of the others, each kept to the laws of ports/ by one contract suite.
Imported by: wiring. Never: imports the engine, the store or another adapter's file; decides anything.
"""
