"""Reading on several cores gives what reading on one gives, whatever happens to a helper."""

import contextlib
import os
import pathlib
import signal

import declared_files as files
import pytest

from workbenchx import errors
from workbenchx.declared import validate, workers

FILES = pathlib.Path("/proc/self/fd")


def children() -> set[str]:
    """The processes that this one started and that still are: other tests of the session may have some."""
    found = set()
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if (
                int(entry.read_text("utf-8", "replace").rpartition(")")[2].split()[1])
                == os.getpid()
            ):
                found.add(entry.parent.name)
    return found


def many(count: int = 900) -> dict[str, bytes]:
    """Enough files to be worth forking, some of them wrong."""
    texts = {**files.GROUND, "broken.yaml": "a: [\n"}
    for number in range(count):
        spec = "retries: many\n" if number % 50 == 0 else "outputs: [{name: t, path: t.csv}]\n"
        if number % 3 == 1:
            spec += f"inputs: [{{name: t, from: RunnerJob/job-{number - 1}/t}}]\n"
        texts[f"jobs/{number}.yaml"] = files.job(f"job-{number}", spec)
    return {path: text.encode() for path, text in texts.items()}


@pytest.mark.parametrize("jobs", [None, 2, 3, 100])
def test_any_number_of_processes_gives_the_same_report(jobs: int | None) -> None:
    """Documents, references, problems and places are equal."""
    alone = validate.check(many(), jobs=1)

    assert alone == validate.check(many(), jobs=jobs)
    assert sum(item.field == "spec.retries" for item in alone.problems) == 18


def test_without_specs_the_problems_are_the_same() -> None:
    """Only the specs are left out."""
    full, slim = (validate.check(many(), jobs=2, specs=specs) for specs in (True, False))

    assert full.problems == slim.problems
    assert [item._replace(spec={}, text="") for item in full.documents] == list(slim.documents)


class Deadly(dict[str, bytes]):
    """Files that kill the helper which reads one of them."""

    def __init__(self, found: dict[str, bytes], victim: str) -> None:
        super().__init__(found)
        self.victim = victim
        self.parent = os.getpid()

    def __getitem__(self, path: str) -> bytes:
        if path == self.victim and os.getpid() != self.parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(path)


def test_a_helper_that_is_killed_costs_nothing_but_time() -> None:
    """What it did not answer for is read again."""
    found = many()
    alone = validate.check(found, jobs=1)

    for victim in ("jobs/0.yaml", "jobs/1.yaml", "jobs/2.yaml"):
        assert alone == validate.check(Deadly(found, victim), jobs=4)


def test_no_process_and_no_file_handle_is_left() -> None:
    """Neither after success nor after an error of the caller's files."""

    class Wrong(dict[str, bytes]):
        def __getitem__(self, path: str) -> bytes:
            if path == "jobs/7.yaml":
                raise RuntimeError("a bug of the caller")
            return super().__getitem__(path)

    before, others = len(list(FILES.iterdir())), children()
    validate.check(many(), jobs=3)
    with pytest.raises(RuntimeError):
        validate.check(Wrong(many()), jobs=3)

    assert before == len(list(FILES.iterdir()))
    assert children() <= others


def test_few_files_are_read_in_this_process() -> None:
    """Forking would take longer."""

    class Watched(dict[str, bytes]):
        def __getitem__(self, path: str) -> bytes:
            assert parent == os.getpid()
            return super().__getitem__(path)

    parent = os.getpid()

    assert workers.WORTH_FORKING > 20
    assert validate.check(Watched(many(20))).documents


def test_a_file_that_cannot_be_read_is_told_from_a_helper_too() -> None:
    """The problem crosses the pipe."""

    class Gone(dict[str, bytes]):
        def __getitem__(self, path: str) -> bytes:
            if path == "jobs/7.yaml":
                raise errors.Stalled("was deleted while it was read")
            return super().__getitem__(path)

    found = validate.check(Gone(many()), jobs=3)

    assert "jobs/7.yaml: was deleted while it was read" in files.lines(found)
    assert frozenset({"broken.yaml", "jobs/7.yaml"}) == found.broken
