"""A set of files, checked as a whole: `check`."""

import contextlib
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workbenchx import errors
from workbenchx.api import identity
from workbenchx.declared import document, placing, problem, workers
from workbenchx.declared.checks import borders, cycles, targets, whole

_ERROR = problem.Severity.ERROR.value
_PLACED = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What a set of files declares, and all that is wrong with it.

    `documents`: one for each identity, in order of place; one with a `problem` is invalid. `problems`: errors and
    warnings, `notices`: the rest, both in order of place. `broken`: paths that may declare more than could be read, so
    that nothing may be deleted because it is absent there.
    """

    documents: tuple[document.Document, ...]
    problems: tuple[problem.Problem, ...]
    notices: tuple[problem.Problem, ...]
    broken: frozenset[str]

    @property
    def valid(self) -> bool:
        """Whether there is no error (warnings do not count)."""
        return all(item.severity != _ERROR for item in self.problems)


def check(
    files: Mapping[str, bytes],
    *,
    known: Mapping[identity.Key, Mapping[str, Any]] | None = None,
    found: Iterable[problem.Problem] = (),
    open_world: bool = False,
    told: int | None = None,
    jobs: int | None = None,
    specs: bool = True,
    begun: workers.Begun | None = None,
) -> Report:
    """Read, check and cross-check every file of `files` (path → bytes).

    Args:
        files: looked up once for each path, in a forked process when there are many. A look-up that raises Stalled is
            a problem of that file.
        known: specs of resources that exist besides, such as recorded ones, when only a part of the tree is checked.
        found: problems that the caller met before, such as folders that it could not read.
        open_world: more may exist than is known; a missing target is then a notice.
        told: how many missing targets of an open world are told, the first of them; None: all.
        jobs: processes to use. None: all cores, if there is enough to do.
        specs: False leaves `Document.spec` empty, which is faster when only the problems are asked for.
        begun: the reading of `files`, where it was begun before; `jobs` and `specs` were said there.
    """
    read = begun.finish() if begun else workers.read(files, jobs=jobs, specs=specs)
    ordered = sorted(read.documents, key=_place)
    documents: dict[identity.Key, document.Document] = {}
    twins = [item for item in ordered if documents.setdefault(item.key, item) is not item]
    broken = frozenset(read.broken) | {item.path for item in found if item.severity == _ERROR}
    unread = [] if open_world else _texts(files, broken)
    world = whole.Whole(documents, known or {}, open_world, unread, told)
    findings = [*_twins(twins, documents), *_findings(world)]
    problems = sorted({*found, *read.problems, *_placed(files, findings)})
    for twin in twins:
        place = f"{twin.path}:{twin.line}"
        documents[twin.key] = documents[twin.key]._replace(problem=f"is declared again at {place}")
    return Report(
        tuple(documents.values()),
        tuple(item for item in problems if item.severity != problem.Severity.NOTICE),
        tuple(item for item in problems if item.severity == problem.Severity.NOTICE),
        broken,
    )


def _texts(files: Mapping[str, bytes], paths: Iterable[str]) -> list[bytes]:
    texts = []
    for path in paths:
        with contextlib.suppress(errors.WorkbenchError, KeyError):
            texts.append(files[path])
    return texts


def _place(item: document.Document) -> tuple[str, int, int]:
    return item.path, item.line, item.offset


def _findings(world: whole.Whole) -> list[whole.Finding]:
    return [
        *targets.find(world),
        *cycles.find(world),
        *borders.namespaces(world),
        *borders.crossings(world),
        *borders.defaults(world),
    ]


def _twins(
    twins: Sequence[document.Document], documents: Mapping[identity.Key, document.Document]
) -> list[whole.Finding]:
    return [
        (
            twin,
            problem.Flaw(
                ("metadata", "name"),
                f"is declared twice: also at {first.path}:{first.line}",
                "keep one, or rename it",
            ),
        )
        for twin in twins
        for first in [documents[twin.key]]
    ]


def _placed(
    files: Mapping[str, bytes], findings: Iterable[whole.Finding]
) -> Iterable[problem.Problem]:
    """The findings with line and column. A file that has changed since gives the line of its document.

    So does a notice after the first hundreds: thousands come where all refer to what another repository declares, and
    placing each costs more than reading it.
    """
    places: dict[str, placing.Places | None] = {}
    notices = 0
    for found, flaw in findings:
        is_notice = flaw.severity == problem.Severity.NOTICE.value
        notices += is_notice
        if is_notice and notices > _PLACED:
            yield _problem(None, found, flaw)
            continue
        if found.path not in places:
            places[found.path] = _places(files, found.path)
        yield _problem(places[found.path], found, flaw)


def _places(files: Mapping[str, bytes], path: str) -> placing.Places | None:
    try:
        return placing.Places(path, files[path])
    except (errors.WorkbenchError, KeyError):
        return None


def _problem(
    places: placing.Places | None, found: document.Document, flaw: problem.Flaw
) -> problem.Problem:
    if places is not None:
        try:
            return places.of_flaws([flaw], subject=found.subject, offset=found.offset)[0]
        except placing.Changed:
            pass
    field = problem.dotted(flaw.path)
    return problem.Problem(
        found.path, found.line, 1, found.subject, field, flaw.text, flaw.hint, flaw.severity
    )
