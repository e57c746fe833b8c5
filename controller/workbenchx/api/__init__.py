"""The kinds: what a resource may say, what it refers to, and the words we use about its state.

Owns: the sixteen spec models, conditions, reasons, states, event types, references between resources, quantities,
canonical JSON, and what is generated from them (`crds/`, `schemas/`). Everybody may import it; it imports nothing of
ours. It is pure: no I/O except `emit`, which writes the generated files, no clock, no settings. It never decides what
is to be done (planner/) and never reads YAML (declared/).

`identity`, `registry`, `canonical`, `quantities`, `references`, `reasons`, `states`, `event_types` and `conditions`
do not import pydantic; a kind's model is imported at its first use.
"""
