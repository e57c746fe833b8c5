"""Helpers that read declared files while their command still loads the rest of the program and opens the database."""

import contextlib
import contextvars
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

from workbenchx import errors
from workbenchx.declared import workers
from workbenchx.forge import checkout


class Ahead(NamedTuple):
    """What is read already."""

    tree: checkout.Tree
    begun: workers.Begun


_BEGUN: contextvars.ContextVar[dict[tuple[pathlib.Path, str], Ahead]] = contextvars.ContextVar(
    "begun"
)


@contextlib.contextmanager
def of(root: pathlib.Path, path: pathlib.Path) -> Iterator[None]:
    """While inside, `path` (a folder or file under `root`) is read ahead: the next reading of it gets what `take` has.

    Raises:
        errors.Stalled: reason OutsideRepository.
    """
    scope = scope_of(root, path)
    tree = checkout.folder(root, scope)
    with workers.begin(tree.files, away=True) as begun:
        token = _BEGUN.set({(root, scope): Ahead(tree, begun)})
        try:
            yield
        finally:
            _BEGUN.reset(token)


def take(root: pathlib.Path, scope: str) -> Ahead | None:
    """What was begun for these files, once: who reads them again wants to see them as they are then."""
    return _BEGUN.get({}).pop((root, scope), None)


def scope_of(root: pathlib.Path, path: pathlib.Path) -> str:
    """`path` as documents name it: relative to `root`.

    Raises:
        errors.Stalled: reason OutsideRepository.
    """
    try:
        return str(path.absolute().relative_to(root.absolute()))
    except ValueError as error:
        raise errors.Stalled(
            f'declared files: "{path}" is not inside "{root}"; run wbx in the repository that holds it',
            reason="OutsideRepository",
        ) from error
