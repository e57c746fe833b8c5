"""WorkbenchX: a workbench that lives in git.

The rooms, and who may import whom, are listed in ARCHITECTURE.md and checked by import-linter.
"""

__version__ = "0.1.0"
