"""Inference providers: one module for each adapter; `wire` is what they have in common (decision 120)."""
