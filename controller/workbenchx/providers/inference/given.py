"""What an inference adapter is made from: a provider object, and values behind its references."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import pydantic
from pydantic import alias_generators

from workbenchx import errors

Credential = Callable[[str], str]
URL = r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"
Chosen = TypeVar("Chosen", bound=pydantic.BaseModel)


class Option(Protocol):
    """One InferenceProvider object (`ports.Option`)."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Its spec.settings."""

    @property
    def credentials(self) -> Mapping[str, Any]:
        """Its spec.credentials: names and references, never values."""


class Settings(pydantic.BaseModel):
    """`spec.settings` of every inference adapter. Seconds.

    `base_url`: where the API begins, as https://HOST/v1. `timeout`: until the first piece of an answer, and between two;
    `longest`: of a whole answer that is not streamed. `models`: our name of a model to the provider's id for it;
    `fallback`: the InferenceProvider that is asked when this one cannot answer. The last two are the gateway's to read.
    """

    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, alias_generator=alias_generators.to_camel
    )

    base_url: str = pydantic.Field(pattern=URL)
    timeout: float = pydantic.Field(60.0, gt=0, le=3600)
    connect_timeout: float = pydantic.Field(10.0, gt=0, le=600)
    longest: float = pydantic.Field(600.0, gt=0, le=7200)
    models: Mapping[str, str] = {}
    fallback: str | None = None


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
            f'InferenceProvider "{option.name}": {where}: {first["msg"]}', reason="InvalidSpec"
        ) from None
