"""Embedding adapters: text into vectors.

Owns: `wordllama` (a small model that a wheel carries). Imported by: wiring. Never: meets another adapter; downloads a
model at run time.
"""
