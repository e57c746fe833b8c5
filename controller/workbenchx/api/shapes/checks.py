"""How we find out whether something that runs is well."""

from typing import Annotated

import pydantic

from workbenchx.api.shapes import base, scalars

UrlPath = Annotated[
    str, *scalars.text("url_path", r"^/[^\x00-\x20]{0,511}$", 'a URL path such as "/healthz"', 512)
]


class Health(base.Shape):
    """An HTTP check. It succeeds when the answer is 200 to 399."""

    path: UrlPath = pydantic.Field(default="/", description="URL path that is asked.")
    port: base.Maybe[scalars.Port] = pydantic.Field(
        default=None, description="TCP port that is asked. Default: the app's port."
    )
    interval: scalars.Duration = pydantic.Field(
        default="10s", description="Time between two checks, as a duration."
    )
    timeout: scalars.Duration = pydantic.Field(
        default="5s", description="Longest time that one check may take, as a duration."
    )
    start_period: scalars.Duration = pydantic.Field(
        default="60s",
        description="Time after the start in which a failing check does not count, as a duration.",
    )
    failures: Annotated[int, pydantic.Field(ge=1, le=100)] = pydantic.Field(
        default=3, description="Failing checks in a row that make it Unhealthy."
    )


class Probe(base.Shape):
    """A request to a model and what its answer must be like, before it gets traffic."""

    prompt: scalars.Text = pydantic.Field(
        default="ping", description="Text that is sent to the model."
    )
    expect: base.Maybe[scalars.Text] = pydantic.Field(
        default=None, description="Text that the answer must contain. Absent: any answer is good."
    )
    interval: scalars.Duration = pydantic.Field(
        default="60s", description="Time between two probes, as a duration."
    )
    timeout: scalars.Duration = pydantic.Field(
        default="30s", description="Longest time that one probe may take, as a duration."
    )
    failures: Annotated[int, pydantic.Field(ge=1, le=100)] = pydantic.Field(
        default=3, description="Failing probes in a row that take the revision out of traffic."
    )
