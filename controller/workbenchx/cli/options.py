"""Arguments and options that several commands share."""

import inspect
import pathlib
from collections.abc import Callable
from typing import Any, TypeVar

import click

from workbenchx.cli import catalog

_F = TypeVar("_F", bound=Callable[..., Any])


def command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    """A command with the catalog's line of help; its docstring follows as the long help."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        made = click.command(name, short_help=catalog.COMMANDS[name].help)(
            click.pass_context(function)
        )
        made.help = _told(name, function)
        return made

    return decorate


def group(name: str, made: type[click.Group]) -> Callable[[Callable[..., Any]], click.Group]:
    """The same for a command that also has sub-commands: alone it does what its function does."""

    def decorate(function: Callable[..., Any]) -> click.Group:
        decorated = click.group(
            name,
            made,
            invoke_without_command=True,
            short_help=catalog.COMMANDS[name].help,
        )(click.pass_context(function))
        decorated.help = _told(name, function)
        return decorated

    return decorate


def _told(name: str, function: Callable[..., Any]) -> str:
    """The catalog's line, then the docstring without its indentation, which click would print."""
    return f"{catalog.COMMANDS[name].help}\n\n{inspect.getdoc(function) or ''}".strip()


def resource(function: _F) -> _F:
    """`Kind/name` or `kind name`, and the namespace."""
    named = click.argument("words", nargs=-1, required=True, metavar="KIND/NAME")
    return named(namespace(function))


def namespace(function: _F) -> _F:
    """`-n`."""
    return click.option("-n", "--namespace", metavar="NAME", help="Only this namespace.")(function)


def as_json(function: _F) -> _F:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")(function)


def at(function: _F) -> _F:
    """`--at`."""
    told = "As it was then: 2026-03-01T12:00:00Z, 2h (ago), or a commit."
    return click.option("--at", "said", metavar="TIME", help=told)(function)


def folder(function: _F) -> _F:
    """The declared folder (or one file)."""
    return click.argument(
        "path", required=False, type=click.Path(path_type=pathlib.Path), metavar="[PATH]"
    )(function)
