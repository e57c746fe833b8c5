"""FixBot: from what is wrong to a change of the declared files that mends it. Owns findings, their rules and proposals.

Pure: no clock, no I/O, no randomness; the same scene gives the same bytes. It imports declared, planner and what they
import; the rooms below it here import it. It never pushes and never opens anything: the engine does.
"""
