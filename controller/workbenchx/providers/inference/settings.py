"""What every inference adapter may be told in `spec.settings`."""

from collections.abc import Mapping

import pydantic
from pydantic import alias_generators

URL = r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"


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
