"""A bare repository that a test serves by its path, with a work tree to commit in and pull requests as a forge keeps them."""

import os
import pathlib
import subprocess

import tools

_WHO = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


class Repository:
    """`url` is the bare repository, `tree` a clone of it on branch main."""

    def __init__(self, folder: pathlib.Path) -> None:
        tools.need("git", "apt-get install git")
        self.bare, self.tree = folder / "served.git", folder / "tree"
        self.url = str(self.bare)
        folder.mkdir(parents=True, exist_ok=True)
        run(folder, "init", "-q", "--bare", "-b", "main", self.url)
        run(folder, "init", "-q", "-b", "main", str(self.tree))
        self.git("remote", "add", "origin", self.url)

    def git(self, *arguments: str) -> str:
        """One command in the work tree; what it prints."""
        return run(self.tree, *arguments)

    def commit(self, files: dict[str, str | None], message: str = "change") -> str:
        """Write files (None: delete) and commit; the commit."""
        for name, text in files.items():
            path = self.tree / name
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def push(self, branch: str = "main") -> str:
        """Push what the work tree is at to a branch; the commit."""
        self.git("push", "-q", "--force", "origin", f"HEAD:refs/heads/{branch}")
        return self.git("rev-parse", "HEAD")

    def propose(self, branch: str, files: dict[str, str | None], *, base: str = "main") -> str:
        """A branch with one commit on top of `base`, pushed; the commit. The work tree is back on main."""
        self.git("switch", "-q", "-C", branch, base)
        commit = self.commit(files, f"propose {branch}")
        self.push(branch)
        self.git("switch", "-q", "main")
        return commit


def run(folder: pathlib.Path, *arguments: str, given: str = "") -> str:
    """Git, as nobody in particular and with nobody's settings."""
    done = subprocess.run(
        ["git", "-c", "commit.gpgsign=false", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        input=given,
        env=dict(os.environ) | _WHO,
    )
    return done.stdout.strip()
