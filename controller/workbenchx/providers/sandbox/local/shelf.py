"""The folder that holds all sandboxes of an installation: looking, making, settling, throwing away. Synchronous."""

import contextlib
import os
import pathlib
import secrets
import shutil
import signal
import stat
import time
from collections.abc import Iterator

from workbenchx import errors, ports
from workbenchx.providers.sandbox.local import records
from workbenchx.providers.sandbox.supervision import layout, supervisor, tree

_NEW = ".new-"
_TRASH = ".trash-"
_VENVS = "venvs"


class Shelf:
    """One folder. Several processes may use it at once."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.boot = layout.boot()

    def folder(self, name: str) -> layout.Folder:
        """The place of a sandbox, whether it exists or not.

        Raises:
            errors.Stalled: reason ProviderUnavailable: the folder of all is away, so nothing is known of any.
        """
        self._check()
        return layout.Folder(self.root / name)

    def _check(self) -> None:
        if not self.root.is_dir():
            raise errors.Stalled(
                f'sandbox folder is not usable: "{self.root}" is not there, or no folder; mount it,'
                " or put it back: what runs goes on meanwhile",
                reason="ProviderUnavailable",
            )

    def all(self) -> list[ports.SandboxStatus]:
        """Every sandbox, by name; changes nothing. Stalled as `folder`."""
        self._check()
        with os.scandir(self.root) as entries:
            names = sorted(each.name for each in entries if not each.name.startswith("."))
        return [found for name in names if (found := self.look(name)) is not None]

    def holder(self, name: str) -> int | None:
        """The process id of its supervisor, as that one wrote it."""
        found = (layout.read(self.folder(name).live) or {}).get("pid")
        return found if isinstance(found, int) else None

    def look(self, name: str) -> ports.SandboxStatus | None:
        """One sandbox; None if it does not exist. Changes nothing."""
        folder = self.folder(name)
        record = layout.read(folder.spec) or _what_else_is_known(folder)
        if record is None:
            return None
        # In the order in which they come to be, backwards: a sandbox that ends meanwhile is seen on the second look.
        for _ in range(2):
            found = self._seen(folder, record)
            if found.reason != "Lost":
                break
        return found

    def _seen(self, folder: layout.Folder, record: layout.Json) -> ports.SandboxStatus:
        live = layout.read(folder.live) or {}
        status = layout.read(folder.status)
        if status is not None:
            found = records.ended(record, live, status, self.boot)
        elif not folder.started.exists():
            found = records.created(record)
        elif layout.held(folder.lock):
            found = records.running(record, live)
        else:
            found = records.lost(record, live, "its supervisor is gone")
        return found

    @contextlib.contextmanager
    def making(self, name: str) -> Iterator[layout.Folder]:
        """A new folder that nobody sees. Left by an exception, or by a crash and then the sweep, it goes away."""
        folder = layout.Folder(self.root / f"{_NEW}{name}-{secrets.token_hex(4)}")
        folder.path.mkdir(mode=0o700)
        folder.lock.touch(mode=0o600)
        lock = layout.hold(folder.lock)
        try:
            for each in (folder.work, folder.home, folder.tmp):
                each.mkdir(mode=0o700)
            yield folder
        finally:
            if folder.path.exists():
                _remove(folder.path)
            if lock is not None:
                os.close(lock)

    def show(self, made: layout.Folder, name: str) -> bool:
        """Give a made folder its name; False if the name was taken meanwhile."""
        try:
            made.path.rename(self.root / name)
        except OSError:
            return False
        return True

    def settle(self, name: str) -> ports.SandboxStatus | None:
        """As `look`; if the supervisor is gone without a word, end what it left and record the loss."""
        found = self.look(name)
        if found is None or found.reason != "Lost":
            return found
        folder = self.folder(name)
        lock = layout.hold(folder.lock, wait=True)
        if lock is not None:
            with _closing(lock):
                self._settle(folder)
        return self.look(name)

    def cancel(self, name: str, reason: str) -> bool:
        """End a sandbox that was never started, so that it never will be; False if it is not so."""
        folder = self.folder(name)
        lock = layout.hold(folder.lock)
        if lock is None:
            return False
        with _closing(lock):
            if not supervisor.claim(folder):
                return False
            layout.write(folder.status, self._verdict(reason, "it was stopped before its start"))
        return True

    def trash(self, name: str) -> bool:
        """Remove a sandbox whose program has ended; a crash in the middle is finished by the sweep.

        False if somebody holds it.
        """
        folder = self.folder(name)
        lock = layout.hold(folder.lock)
        if lock is None and folder.lock.exists():
            return False
        with _closing(lock):
            if folder.started.exists() and not folder.status.exists():
                self._settle(folder)
            away = self.root / f"{_TRASH}{name}-{secrets.token_hex(4)}"
            with contextlib.suppress(FileNotFoundError):
                folder.path.rename(away)
        if away.exists():
            _remove(away)
        return True

    def sweep(self) -> None:
        """Remove what killed callers left, and what was made but not started before this boot (it may be torn)."""
        for entry in sorted(self.root.iterdir()):
            if entry.name.startswith(_TRASH) or (
                entry.name.startswith(_NEW) and not layout.held(entry / "lock") and _old(entry)
            ):
                _remove(entry)
            elif not entry.name.startswith(".") and self._torn(layout.Folder(entry)):
                self.trash(entry.name)

    def _torn(self, folder: layout.Folder) -> bool:
        record = layout.read(folder.spec)
        if record is None:
            return not layout.held(folder.lock)
        return records.made(record).boot != self.boot and not folder.started.exists()

    def _settle(self, folder: layout.Folder) -> None:
        """The lock is ours, so no holder lives; only who escaped a plain sandbox may."""
        record = layout.read(folder.spec)
        if record is None or folder.status.exists():
            return
        mark = f"WBX_SANDBOX={records.made(record).mark}".encode()
        while left := tree.marked(mark):
            tree.send(left, signal.SIGKILL)
        if records.made(record).boot == self.boot:
            layout.write(folder.status, self._verdict("Lost", "its supervisor was killed"))

    def _verdict(self, reason: str, message: str) -> layout.Json:
        document: layout.Json = {"state": "exited", "reason": reason, "message": message}
        return {**document, "ended_at": time.time(), "boot": self.boot}


def _what_else_is_known(folder: layout.Folder) -> layout.Json | None:
    """Of a sandbox that was started and whose spec.json cannot be read: enough to see it, and to end it."""
    return records.unread(folder.path.name) if folder.started.exists() else None


def _old(path: pathlib.Path) -> bool:
    """Its maker locks it right after making it."""
    with contextlib.suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime > 1.0
    return False


@contextlib.contextmanager
def _closing(descriptor: int | None) -> Iterator[None]:
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _remove(path: pathlib.Path) -> None:
    """Remove a tree, also where a program took its own rights away."""

    def again(_function: object, where: str, _why: object) -> None:
        with contextlib.suppress(OSError):
            pathlib.Path(where).parent.chmod(stat.S_IRWXU)
            pathlib.Path(where).chmod(stat.S_IRWXU)
        if pathlib.Path(where).is_dir() and not pathlib.Path(where).is_symlink():
            shutil.rmtree(where, ignore_errors=True)
        else:
            pathlib.Path(where).unlink(missing_ok=True)

    shutil.rmtree(path, onerror=again)
