"""What is asked beside the run: a command beside the program, one file, or all as one tar. Standard library only.

Each request has a key and is answered once. After a crash of the runner it is heard again: a command is the supervisor's,
which starts it once for its key; a file is read anew.
"""

import base64
import os
import threading
from collections.abc import Callable, Iterable

from workbenchx import errors
from workbenchx.providers.sandbox.do_runner.agent import calls, work
from workbenchx.providers.sandbox.supervision import layout

_PLACE = ".wbx-request"
_INLINE = 128 << 10
_MOMENT = 0.2
Upload = Callable[[str, int], layout.Json | None]


class Asked:
    """The requests of one run. `upload`: an open file to where the path says; what it is, or None."""

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
            answer = self._execute(key, each) if each["op"] == "execute" else self._files(key, each)
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

    def _files(self, key: str, asked: layout.Json) -> layout.Json | None:
        """While signs of life go on."""
        if key not in self._packing:
            self._packing.add(key)
            packing = threading.Thread(target=self._pack, args=(key, asked), daemon=True)
            packing.start()
            packing.join(_MOMENT)  # what is small is answered at once
        return self._packed.get(key)

    def _pack(self, key: str, asked: layout.Json) -> None:
        try:
            self._packed[key] = self._read(key, asked) or {"message": "its time was over"}
        except (errors.WorkbenchError, OSError, calls.RefusedError) as problem:
            self._packed[key] = {"message": " ".join(str(problem).split())[:300]}

    def _read(self, key: str, asked: layout.Json) -> layout.Json | None:
        """What is small is told, what is large uploaded."""
        archive = asked["op"] == "archive"
        with self._made.packed() if archive else self._made.opened(asked["path"]) as descriptor:
            if not archive and os.fstat(descriptor).st_size <= _INLINE:
                return {"data": base64.b64encode(os.pread(descriptor, _INLINE, 0)).decode()}
            return self._upload(f"{_PLACE}/{key}", descriptor)
