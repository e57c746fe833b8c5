"""A poll of a Source that finds nothing new: processor time of our own and with children, beside the bare `git ls-remote`.

Both ask the same repository over HTTP for the same branch. Ours is the worker's whole look: what is due, the credential, the
question, and the state written back.
"""

import asyncio
import pathlib
import resource
import subprocess
import sys

import harness

sys.path.append(str(harness.ROOT / "tests" / "support"))
import git_lab

from workbenchx import ports
from workbenchx.engine import following, secrets
from workbenchx.forge import clones
from workbenchx.wiring import app, settings
from workbenchx.wiring import following as reading

OWN_SECONDS, ALL_SECONDS = 0.003, 0.040


def cpu(who: int) -> float:
    """Seconds of processor time, user and system."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


async def polls(folder: pathlib.Path, url: str, count: int) -> tuple[float, float]:
    """Seconds of our own, and with children, of one poll."""
    chosen = settings.load(folder=folder, environ={"WBX_HOME": str(folder / ".wbx")})
    async with app.open(chosen) as opened:
        copies = clones.Clones(folder / "copies")
        read = reading.Reader(copies, opened.storage, opened.store.specs_of_others)
        places = secrets.Places(lambda _: None)
        follower = following.Follower(opened.store, copies, read, places=places, name="bench")
        await opened.store.follow(url, branch="main", path=".")
        for _ in range(3):
            await opened.store.ask(ports.GIVEN)
            await follower.look()
        before = own, children = cpu(resource.RUSAGE_SELF), cpu(resource.RUSAGE_CHILDREN)
        asking = 0.0
        for _ in range(count):
            begun = cpu(resource.RUSAGE_SELF)
            await opened.store.ask(ports.GIVEN)
            asking += cpu(resource.RUSAGE_SELF) - begun
            if await follower.look(heed=False) != 1:
                raise SystemExit("a source that is due was not looked at")
        own, children = cpu(resource.RUSAGE_SELF), cpu(resource.RUSAGE_CHILDREN)
        state = await opened.followed()
        if state is None or state.applied is None or state.reason:
            raise SystemExit(f"the repository is not in force: {state}")
    mine = own - before[0] - asking
    return mine / count, (mine + children - before[1]) / count


def bare(url: str, count: int) -> float:
    """Seconds of processor time of one `git ls-remote`."""
    before = cpu(resource.RUSAGE_CHILDREN)
    for _ in range(count):
        words = ["git", "ls-remote", "--quiet", "--", url, "refs/heads/main"]
        subprocess.run(words, check=True, capture_output=True)
    return (cpu(resource.RUSAGE_CHILDREN) - before) / count


def serve(root: pathlib.Path) -> subprocess.Popen[str]:
    """The git server, in a process of its own so that its time is not ours."""
    code = (
        "import git_lab, pathlib, sys\n"
        "with git_lab.served(pathlib.Path(sys.argv[1])) as made:\n"
        "    print(made.url(), flush=True)\n    sys.stdin.read()\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(root)],
        cwd=harness.ROOT / "tests" / "support",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def measure(small: bool) -> list[harness.Row]:
    """The rows of this benchmark."""
    count = 2 if small else 100
    with harness.workspace() as folder:
        repository = git_lab.Repository(folder / "served")
        repository.commit({"lab.yaml": git_lab.project(), "a.yaml": git_lab.dataset("a")})
        server = serve(folder / "served")
        assert server.stdout is not None
        try:
            url = server.stdout.readline().strip()
            theirs = bare(url, count)
            own, everything = asyncio.run(polls(folder, url, count))
        finally:
            server.kill()
            server.wait()
    return [
        harness.Row("poll, nothing new: CPU of our own", own * 1000, OWN_SECONDS * 1000, "ms", 1.0),
        harness.Row(
            "the same with children, beside the bound",
            everything * 1000,
            ALL_SECONDS * 1000,
            "ms",
            1.0,
        ),
        harness.Row(
            "the same beside the bare git ls-remote", everything * 1000, theirs * 1000, "ms"
        ),
    ]


if __name__ == "__main__":
    harness.main(measure)
