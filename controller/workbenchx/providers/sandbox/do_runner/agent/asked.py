"""What is asked beside the run: a command beside the program, or the files of a sandbox as one tar. Standard library only.

Each request has a key and is answered once. After a crash of the runner it is heard again: a command is the supervisor's,
which starts it once for its key; a tar is made anew.
"""

import pathlib
import threading
from collections.abc import Callable, Iterable

from workbenchx.providers.sandbox.do_runner.agent import calls, work
from workbenchx.providers.sandbox.supervision import layout

_PLACE = ".wbx-request"
Upload = Callable[[str, pathlib.Path], layout.Json | None]


class Asked:
    """The requests of one run. `upload`: a file to where the path says; what it is, or None."""

    def __init__(self, api: calls.Api, made: work.Work, upload: Upload) -> None:
        self._api = api
        self._made = made
        self._upload = upload
        self._packing: set[str] = set()
        self._packed: dict[str, layout.Json] = {}

    def hear(self, requests: Iterable[layout.Json]) -> None:
        """Begin what is new, answer what has ended.

        Raises:
            calls.AwayError: heard again, it goes on.
            calls.RefusedError.
        """
        for each in requests:
            key = str(each["key"])
            answer = self._archive(key) if each["op"] == "archive" else self._execute(key, each)
            if answer is not None:
                self._api.say("answer", key=key, answer=answer)

    def _execute(self, key: str, asked: layout.Json) -> layout.Json | None:
        over = self._made.ended() is not None
        found = self._made.beside(key)
        if found is not None and found["reason"]:
            return found
        if over:
            return {"reason": "Lost", "message": "the sandbox ended first"}
        if found is None:
            order = {"argv": list(asked["argv"]), "timeout": float(asked["seconds"])}
            self._made.tell(op="execute", key=key, **order)
        return None

    def _archive(self, key: str) -> layout.Json | None:
        if key not in self._packing:
            self._packing.add(key)
            threading.Thread(target=self._pack, args=(key,), daemon=True).start()
        return self._packed.get(key)

    def _pack(self, key: str) -> None:
        """While signs of life go on."""
        try:
            with self._made.packed() as path:
                found = self._upload(f"{_PLACE}/{key}", path)
        except (OSError, calls.RefusedError) as problem:
            self._packed[key] = {"message": " ".join(str(problem).split())[:300]}
        else:
            self._packed[key] = found or {"message": "its time was over"}
