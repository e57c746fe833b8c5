"""A bare repository that a test serves by its path, with a work tree to commit in and pull requests as a forge keeps them."""

import pathlib
from collections.abc import Mapping

import git_lab


class Repository(git_lab.Repository):
    """One whose commits are pushed by a word of their own."""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(folder, "served")

    @property
    def url(self) -> str:
        """See git_lab.Repository."""
        return str(self.bare)

    def commit(
        self, files: Mapping[str, str | None], message: str = "change", *options: str, **env: str
    ) -> str:
        """Commit in the work tree alone; the commit."""
        return self.record(files, message, *options, **env)

    def propose(self, branch: str, files: Mapping[str, str | None], *, base: str = "main") -> str:
        """A branch with one commit on top of `base`, pushed; the commit. The work tree is back on main."""
        self.git("switch", "-q", "-C", branch, base)
        commit = self.commit(files, f"propose {branch}")
        self.push(branch)
        self.git("switch", "-q", "main")
        return commit
