"""What the three provider kinds share: settings, credentials, prices, limits."""

from typing import Annotated, Any, Literal

import pydantic

from workbenchx.api.shapes import base, credential, lists, scalars, spec

Unit = Literal[
    "cpu-hour",
    "memory-gib-hour",
    "gpu-hour",
    "instance-hour",
    "creation",
    "request",
    "million-input-tokens",
    "million-output-tokens",
    "storage-gib-month",
    "egress-gib",
]
Setting = Any


class Price(base.Shape):
    """One list price. What has no price is refused, so that every cost has a bound."""

    unit: Unit = pydantic.Field(description="What one unit is.")
    name: base.Maybe[scalars.Text] = pydantic.Field(
        default=None,
        description="What the price is for, such as a machine size, GPU type or model id. Absent: everything of this unit.",
    )
    usd: scalars.Money = pydantic.Field(
        description="Price of one unit in USD, at most 6 decimal places."
    )
    minimum: base.Maybe[scalars.Duration] = pydantic.Field(
        default=None, description="Shortest time that is billed, as a duration."
    )


class Limits(base.Shape):
    """Limits that all workers keep together."""

    concurrency: base.Maybe[Annotated[int, pydantic.Field(ge=1, le=100_000)]] = pydantic.Field(
        default=None, description="Most objects or requests at the same time. Absent: no limit."
    )
    requests_per_minute: base.Maybe[Annotated[int, pydantic.Field(ge=1, le=1_000_000)]] = (
        pydantic.Field(
            default=None, description="Most calls of the provider's API a minute. Absent: no limit."
        )
    )
    max_lifetime: base.Maybe[scalars.Duration] = pydantic.Field(
        default=None, description="Longest life of one object at the provider, as a duration."
    )


class ProviderSpec(spec.Spec):
    """The spec of any provider kind; each adds its `adapter`."""

    default: bool = pydantic.Field(
        default=False,
        description="True: used where neither the resource nor its Project names one. Exactly one of a kind is.",
    )
    settings: Annotated[dict[scalars.SettingName, Setting], pydantic.Field(max_length=100)] = (
        pydantic.Field(
            default_factory=dict,
            description="Settings of the adapter, such as region or team. Never a secret.",
        )
    )
    credentials: credential.Credentials = pydantic.Field(
        default_factory=dict,
        description="Credentials of the adapter by name, each a reference to an environment variable or a file of the worker.",
    )
    prices: Annotated[list[Price], pydantic.Field(max_length=500)] = pydantic.Field(
        default_factory=list, description="List prices in USD."
    )
    limits: base.Maybe[Limits] = pydantic.Field(
        default=None, description="Limits that all workers keep together."
    )
    retire: Annotated[list[scalars.Text], pydantic.Field(max_length=1000), lists.Distinct()] = (
        pydantic.Field(
            default_factory=list,
            description="External ids of objects that carry our tag but belong to nothing we know. They may be removed.",
        )
    )
