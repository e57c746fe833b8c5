"""A runner from boot to its end: claims its run, prepares, waits for the start, tells how it goes, asks to be destroyed.

`wbx runner FILE`, or the archive itself. The file is what the user data wrote: where the API is, the token, the sandbox
program. It ends, and its machine powers off, when the run is over, is somebody else's, or its time is up. Standard
library only.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time
import uuid
from typing import Any

from workbenchx import errors
from workbenchx.providers.sandbox.do_runner.agent import asked, calls, sealing, walls, work
from workbenchx.providers.sandbox.supervision import layout

_BOOT_SECONDS = 3600.0
_FAILED = "failed"
_LATE = "DeadlineExceeded"
_LINGER_SECONDS = 600.0


class Runner:
    """One machine and its one run."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._folder = pathlib.Path(config["folder"])
        self._keys = sealing.Keys(pathlib.Path(config["keys"]))
        self._api = calls.Api(
            config["api"], config["token"], _machine(pathlib.Path(config["keys"]))
        )
        self._until = float(config["until"])
        self._says = "claimed"
        self._sent = 0
        self._stopping = False
        self._made: work.Work | None = None

    def run(self) -> None:
        """Until there is nothing more to do.

        Raises:
            calls.RefusedError: the run is not ours, or not any more.
        """
        claimed = self._insist("claim", certificate=self._keys.make())
        self._sent = int(claimed["output_end"])
        made = work.Work(self._folder, self._config["bubblewrap"], claimed["work"])
        self._made = made
        made.deadline = claimed["deadline"]
        if not made.begun():
            try:
                self._prepare(made)
            except errors.WorkbenchError as problem:
                self._finish(_report(problem.reason, problem.message), [])
                return
        self._says = "running" if made.begun() else "staged"
        beside = asked.Asked(self._api, made, self._keep)
        report = self._follow(made, beside)
        self._print(made)
        if made.begun():
            self._hear(beside, self._beat())
        self._finish(report, self._collect(made))
        if made.begun() and made.is_session:
            self._linger(beside)

    def _prepare(self, made: work.Work) -> None:
        """Try for as long as it may help; the last reason is the one that is told."""
        if told := walls.refusal(self._config["bubblewrap"]):
            raise errors.Stalled(
                f"machine shuts nothing in, so nothing runs on it: {told}",
                reason="SandboxUnavailable",
            )
        why = "its time was over"
        until = min(self._until, time.time() + float(self._config["patience"]))
        for _ in calls.pauses(until):
            try:
                made.prepare(self._sign_in() if made.signs_in else None)
            except (calls.AwayError, OSError) as problem:
                why = str(problem)
                self._beat()
            else:
                return
        raise errors.Stalled(
            f"image or files cannot be had: {' '.join(why.split())[:300]}",
            reason="RuntimeUnavailable",
        )

    def _sign_in(self) -> dict[str, str]:
        """To the registry: a worker seals it for this machine.

        Raises:
            calls.AwayError: it did not come yet.
        """
        orders = self._beat()
        if orders is None or not orders.get("pull"):
            raise calls.AwayError("the sign-in to its registry did not come")
        return self._keys.opened(orders["pull"])

    def _hear(self, beside: asked.Asked, orders: calls.Json | None) -> None:
        with contextlib.suppress(calls.AwayError):
            beside.hear((orders or {}).get("requests") or ())

    def _linger(self, beside: asked.Asked) -> None:
        """A session's files can be had for a while after its end; whoever has them destroys the machine."""
        until = min(self._until, time.time() + _LINGER_SECONDS)
        with contextlib.suppress(calls.RefusedError):
            while time.time() < until:
                self._hear(beside, self._beat())
                time.sleep(float(self._config["pace"]))

    def _follow(self, made: work.Work, beside: asked.Asked) -> layout.Json:
        """Do what is ordered until it has ended; how it did."""
        started = made.begun()
        while True:
            orders = self._beat()
            if orders is None and time.time() > self._until:
                if not started:
                    return _report(_LATE, "its start was never ordered", "exited")
                made.tell(op="stop", reason=_LATE)
            elif orders is not None:
                if orders["state"] == "ended":
                    raise calls.RefusedError(410, "its end is recorded already")
                self._obey(made, orders, started=started)
                if orders["stop"] and not started:
                    return _report(
                        str(orders["stop"]), "stopped before its command started", "exited"
                    )
                if orders["start"] and not started:
                    started, self._says = True, "running"
                    made.start(self._keys.opened(orders["sealed"]))
            if started:
                self._hear(beside, orders)
            found = made.ended() if started else None
            if found is not None:
                return found
            self._print(made)
            time.sleep(float(self._config["pace"]))

    def _obey(self, made: work.Work, orders: calls.Json, *, started: bool) -> None:
        if orders["deadline"] != made.deadline:
            self._until += max(0.0, orders["deadline"] - (made.deadline or orders["deadline"]))
            made.deadline = orders["deadline"]
            made.tell(op="extend", deadline=made.deadline)
            _power_off_at(self._until)
        if orders["stop"] and started and not self._stopping:
            self._stopping = True
            made.tell(op="stop", reason=orders["stop"])

    def _print(self, made: work.Work) -> None:
        """Send what was printed, all of it."""
        while data := made.printed(self._sent):
            try:
                self._sent = self._api.logs(self._sent, data)
            except calls.AwayError:
                if made.ended() is None or time.time() > self._until:
                    return
                time.sleep(float(self._config["pace"]))

    def _collect(self, made: work.Work) -> list[str]:
        """Upload the declared outputs that are there; their paths."""
        return [path for path in made.outputs() if self._upload(made, path)]

    def _upload(self, made: work.Work, path: str) -> bool:
        found = made.open(path)
        if found is None:
            return False
        descriptor, digest, size = found
        try:
            return self._sent_to(path, descriptor, digest, size)
        finally:
            os.close(descriptor)

    def _keep(self, place: str, descriptor: int) -> layout.Json | None:
        """Upload an open file; what it is, or None where its time was over."""
        digest, size = work.measured(descriptor)
        sent = self._sent_to(place, descriptor, digest, size)
        return {"sha256": digest, "bytes": size} if sent else None

    def _sent_to(self, path: str, descriptor: int, digest: str, size: int) -> bool:
        """Upload it, and prove that it is ours: in storage it may lie already, of somebody else."""
        wish = {"path": path, "sha256": digest, "bytes": size}
        there = False
        for _ in calls.pauses(self._until):
            with contextlib.suppress(calls.AwayError):
                signed = self._api.say("upload", **wish)
                if not signed.get("stored") and not signed.get("url"):
                    continue
                if signed.get("url") and not there:
                    # A link that refuses: another one brought the same, or we did, and heard no answer.
                    with contextlib.suppress(calls.RefusedError):
                        calls.upload(signed["url"], descriptor, size, signed["headers"])
                    there = True
                if signed.get("challenge"):
                    proof = work.proven(descriptor, signed["challenge"])
                    self._api.say("upload", **wish, proof=proof)
                return True
        return False

    def _finish(self, report: layout.Json, paths: list[str]) -> None:
        report = {**report, "log_bytes": self._sent}
        self._insist("finish", report=report, paths=paths)

    def _beat(self) -> calls.Json | None:
        """A sign of life; None where nobody hears it."""
        try:
            return self._api.say("heartbeat", says=self._says, **self._use())
        except calls.AwayError:
            return None

    def _use(self) -> calls.Json:
        """Since when nobody uses a session, at every sign of life of one that runs."""
        made = self._made
        if made is None or self._says != "running" or not made.is_session:
            return {}
        return {"idle_since": made.idle_since()}

    def _insist(self, verb: str, **said: Any) -> calls.Json:
        why: Exception = calls.AwayError("its time was over")
        for _ in calls.pauses(self._until):
            try:
                return self._api.say(verb, **said)
            except calls.AwayError as problem:
                why = problem
        raise why


def _machine(folder: pathlib.Path) -> str:
    """The name of this boot: it lies in a memory file system, so another boot has another."""
    path = folder / "machine"
    if not path.exists():
        path.write_text(str(uuid.uuid4()), "ascii")
    return path.read_text("ascii")


def _power_off_at(moment: float) -> None:
    """The machine's own end, which its user data set, goes with the deadline."""
    minutes = max(1, round((moment - time.time()) / 60) + 1)
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(["shutdown", "-P", f"+{minutes}"], timeout=30, check=False)


def _report(reason: str, message: str, state: str = _FAILED) -> layout.Json:
    return {"state": state, "reason": reason, "message": message, "ended_at": time.time()}


def run(path: str) -> int:
    """The exit code. What went wrong is one line on the console of the machine; it holds no secret."""
    config = json.loads(pathlib.Path(path).read_text("utf-8"))
    try:
        Runner(config).run()
    except (calls.AwayError, calls.RefusedError, OSError) as problem:
        sys.stderr.write(f"wbx runner: {' '.join(str(problem).split())[:500]}\n")
        return 1
    return 0


def main() -> None:
    """The archive's entry."""
    sys.exit(run(sys.argv[1]))
