"""`WBX_HOME`: what lies where in the folder of the embedded data."""

import dataclasses
import pathlib

from workbenchx import errors


@dataclasses.dataclass(frozen=True, slots=True)
class Home:
    """The folders of one embedded installation. Everything in them is private to the user."""

    path: pathlib.Path

    @property
    def postgres(self) -> pathlib.Path:
        """Data, log and socket of the embedded Postgres."""
        return self.path / "postgres"

    @property
    def sandboxes(self) -> pathlib.Path:
        """One folder a sandbox of the local provider."""
        return self.path / "sandboxes"

    @property
    def storage(self) -> pathlib.Path:
        """Blobs under `sha256/<hex>`."""
        return self.path / "storage"

    @property
    def logs(self) -> pathlib.Path:
        """The program's own log and the traces of its bugs."""
        return self.path / "logs"

    @property
    def serving(self) -> pathlib.Path:
        """One file for each `wbx up` that serves, named by process id."""
        return self.path / "serving"

    @property
    def console(self) -> pathlib.Path:
        """The console's key, its one-time codes, and where it listens."""
        return self.path / "console"

    @property
    def repositories(self) -> pathlib.Path:
        """Copies of the repositories that are followed; they can be thrown away."""
        return self.path / "repositories"

    @property
    def exists(self) -> bool:
        """Whether an installation was ever started here."""
        return self.storage.is_dir()

    def prepare(self) -> None:
        """Make what is missing; git is told to look away.

        Raises:
            errors.Stalled: reason HomeNotWritable.
        """
        try:
            for folder in (self.path, self.sandboxes, self.storage, self.logs):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            ignore = self.path / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
        except OSError as error:
            raise errors.Stalled(
                f'home: "{self.path}" cannot be written ({error.strerror})',
                reason="HomeNotWritable",
            ) from error
