"""From a folder of files to what the engine mirrors: documents, places, commit, code snapshots."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from workbenchx import ports
from workbenchx.declared import document, problem, remembering, validate, workers
from workbenchx.engine import following, mirror, snapshots
from workbenchx.forge import checkout, worktree
from workbenchx.planner import model
from workbenchx.wiring import readahead

REMEMBERED = 20_000


class Origin(NamedTuple):
    """The source that declares, and its repository where it has one."""

    source: str
    repo: str | None


_WORKTREE = Origin(mirror.EMBEDDED_SOURCE, None)


@dataclasses.dataclass(frozen=True, slots=True)
class Declaration:
    """A folder as read: what is wrong with it, and what it declares."""

    report: validate.Report
    reading: mirror.Reading


async def read(
    storage: ports.StorageProvider | None,
    root: pathlib.Path,
    path: pathlib.Path,
    *,
    known: Mapping[model.Key, Mapping[str, Any]],
) -> Declaration:
    """Read `path` (a folder or file under `root`). `storage` None: code snapshots are named but not stored.

    Bad files are in the report, never raised. `known`: what is declared outside `path`.
    """
    scope = readahead.scope_of(root, path)
    ahead = readahead.take(root, scope)
    tree = ahead.tree if ahead else checkout.folder(root, scope)
    begun = ahead.begun if ahead else None
    report = validate.check(tree.files, known=known, found=tree.problems, begun=begun)
    commit = worktree.commit_if_clean(root, scope)
    code, problems = await _snapshots(storage, root, report.documents)
    report = dataclasses.replace(report, problems=(*report.problems, *problems))
    return Declaration(report, _reading(report, tree, scope, commit, code))


def of_commit(root: pathlib.Path, revision: str, scope: str) -> Declaration:
    """What `scope` of a commit declares; the code of projects is not looked at.

    Raises:
        errors.Stalled: there is no such commit.
    """
    tree = checkout.commit(root, revision, scope)
    report = validate.check(tree.files, found=tree.problems)
    return Declaration(report, _reading(report, tree, scope, tree.commit, {}))


def of_next(
    tree: checkout.Tree,
    before: remembering.Files,
    *,
    known: Mapping[model.Key, Mapping[str, Any]],
    open_world: bool,
    origin: Origin,
) -> Declaration:
    """What the tree of a commit declares, read in this process, which remembers the files of the commit before.

    Of what an open world may hold besides, the first few are told. Absence means something for all that its source declared.
    """
    with workers.begin(tree.files, jobs=1, read=before) as begun:
        report = validate.check(
            tree.files,
            known=known,
            found=tree.problems,
            open_world=open_world,
            told=following.TOLD,
            begun=begun,
        )
    before.turn(REMEMBERED)
    return Declaration(report, _reading(report, tree, ".", tree.commit, {}, origin=origin))


def of_tree(
    root: pathlib.Path, name: str, scope: str, *, known: Mapping[model.Key, Mapping[str, Any]]
) -> Declaration:
    """What `scope` of a tree without a commit declares; the code of projects is not looked at.

    Raises:
        errors.Stalled: there is no such tree.
    """
    tree = checkout.tree(root, name, scope)
    report = validate.check(tree.files, known=known, found=tree.problems)
    return Declaration(report, _reading(report, tree, scope, None, {}))


def _reading(
    report: validate.Report,
    tree: checkout.Tree,
    scope: str,
    commit: str | None,
    code: Mapping[str, model.Code],
    *,
    origin: Origin = _WORKTREE,
) -> mirror.Reading:
    return mirror.Reading(
        rows=tuple(_row(found, commit, origin) for found in report.documents),
        broken=_faults(report),
        scope=None if scope == "." else scope,
        commit=commit,
        code=code,
        complete=tree.complete,
    )


def _faults(report: validate.Report) -> dict[str, str]:
    """What is wrong with each file that could not be read whole: the first error in it, and how many there are."""
    told: dict[str, list[str]] = {path: [] for path in sorted(report.broken)}
    for found in report.problems:
        if found.path in told and found.severity == problem.Severity.ERROR:
            told[found.path].append(str(found))
    return {path: _first(path, errors) for path, errors in told.items()}


def _first(path: str, errors: Sequence[str]) -> str:
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{errors[0]}{more}" if errors else f"{path}: could not be read"


def _row(found: document.Document, commit: str | None, origin: Origin) -> model.Declared:
    return model.Declared(
        key=model.Key(found.kind, found.namespace, found.name),
        project=found.project,
        spec=found.spec,
        hash=found.hash,
        source=model.SourceRef(origin.source, origin.repo, commit, found.path, found.line),
        problem=found.problem,
        refers_to=found.references,
        text=found.text,
        metadata=found.metadata,
    )


async def _snapshots(
    storage: ports.StorageProvider | None,
    root: pathlib.Path,
    documents: Sequence[document.Document],
) -> tuple[dict[str, model.Code], list[problem.Problem]]:
    """The code of each project that lives in this repository."""
    code: dict[str, model.Code] = {}
    problems: list[problem.Problem] = []
    for found in documents:
        path = code_path(found.spec) if found.kind == "Project" and not found.problem else None
        if path is None:
            continue
        if not (root / path).is_dir():
            problems.append(_no_code(found, path))
            continue
        state = worktree.state(root, path)
        code[found.name] = await snapshots.take(storage, root, path, state.files, state.commit)
    return code, problems


def code_path(spec: Mapping[str, object]) -> str | None:
    """The folder of a Project's code, where that is in the repository that declares it."""
    repo = spec.get("repo")
    if not isinstance(repo, Mapping) or repo.get("url") != ".":
        return None
    return str(repo.get("path") or ".")


def _no_code(found: document.Document, path: str) -> problem.Problem:
    return problem.Problem(
        path=found.path,
        line=found.line,
        column=1,
        subject=found.subject,
        field="spec.repo.path",
        text=f'there is no folder "{path}"',
        hint="a folder of the repository",
    )
