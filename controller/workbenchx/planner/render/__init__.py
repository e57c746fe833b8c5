"""A plan for eyes and programs: text, JSON, Markdown. All three spell from the same plain steps; none decides anything."""
