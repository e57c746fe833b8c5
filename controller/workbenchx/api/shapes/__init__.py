"""Shapes that several kinds share, one file for each thing. They know no kind."""
