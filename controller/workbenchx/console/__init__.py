"""The HTTP API: who asks, what they may see, and how the answer looks on the wire.

Owns: sign-in, the routes of `/api/v1`, streams of changes, and the hygiene of all that (limits, headers, problems).
Imported by: cli, lazily. Never: writes a table (a caller's write is a function of the database that checks the role),
decides what a caller may see (row-level security does), works at import.
"""
