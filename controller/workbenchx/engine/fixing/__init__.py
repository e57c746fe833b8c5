"""FixBot at work: proposals into pull requests, and pull requests followed until they are over.

A row comes first, then the push, then the pull request; each of them again changes nothing, so a crash between two of
them is gone on from. What forge, registry or provider could not tell closes nothing.
"""
