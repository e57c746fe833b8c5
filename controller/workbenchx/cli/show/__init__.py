"""From recorded facts to words: trees, tables, sentences, JSON. Pure: rows in, text out.

Imported by: cli commands. Never: reads a clock, a file, a terminal or the database.
"""
