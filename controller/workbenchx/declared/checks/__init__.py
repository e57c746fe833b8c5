"""What only the whole set can show: one module for each kind of check, each a generator of (document, flaw).

Owns: duplicates, references, cycles, borders between projects, defaults. Imported by: declared.validate only. It reads
no text: the caller finds line and column.
"""
