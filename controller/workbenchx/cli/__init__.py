"""The command line: `wbx`.

Owns: arguments, exit codes, what is printed where. `commands/` has one file a command, imported only when it is used;
`show/` turns recorded facts into text and JSON and is pure.
Imported by: nobody. Never: decides what to do with a resource; it asks wiring's App.
"""
