"""What an adapter is made from: a provider object, and values behind its references."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import pydantic

from workbenchx import errors

Credential = Callable[[str], str]
Chosen = TypeVar("Chosen", bound=pydantic.BaseModel)


class Option(Protocol):
    """One provider object (`ports.Option`)."""

    @property
    def kind(self) -> str:
        """StorageProvider or InferenceProvider."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Its spec.settings."""

    @property
    def credentials(self) -> Mapping[str, Any]:
        """Its spec.credentials: names and references, never values."""


def settings(option: Option, model: type[Chosen]) -> Chosen:
    """The settings of an option, checked.

    Raises:
        errors.Stalled: reason InvalidSpec; the message names the first setting that is wrong. No value of it is shown.
    """
    try:
        return model.model_validate(dict(option.settings))
    except pydantic.ValidationError as problem:
        first = problem.errors(include_input=False, include_url=False)[0]
        where = ".".join(["spec.settings", *map(str, first["loc"])])
        raise errors.Stalled(
            f'{option.kind} "{option.name}": {where}: {first["msg"]}', reason="InvalidSpec"
        ) from None
