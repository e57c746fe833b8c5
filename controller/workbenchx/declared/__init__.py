"""Text into documents: what the YAML declares, and the file, line and column of whatever is wrong with it.

Owns: reading YAML, the checks of one document and of the whole set, the wording and place of every problem, and edits
that keep comments and layout. Imported by: forge, engine, cli. Never: walks a folder, calls git, reads a clock, a
database or the network, or decides what is to be done (planner/). `workers` may fork to use every core; nothing else
here has a side effect.

YAML is read as `kubectl` reads it (see `plain`). One file is at most 10 MiB; one document has at most `MOST_NODES` values
(aliases count as what they stand for) and `DEEPEST` levels.
"""
