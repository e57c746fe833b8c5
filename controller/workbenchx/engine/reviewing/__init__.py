"""Pull requests and commits: what a merge would do is said before it, what has come of it is said after it.

The judging and the wording are pure; the reviewer is the thin shell around them. Nothing here runs code of a change, and
nothing here resolves a secret that a change names.
"""
