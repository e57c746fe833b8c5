"""What a sandbox may reach: `spec.network`."""

from typing import Annotated

import pydantic

from workbenchx.api.shapes import base, lists, scalars

HOST = r"^(\*|(\*\.)?[a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?(:[0-9]{1,5})?)$"

Host = Annotated[
    str,
    *scalars.text(
        "host", HOST, 'a host such as "data.example.org", "*.example.org", "host:443" or "*"', 260
    ),
]


class Network(base.Shape):
    """Outgoing network. Nothing listed: no network."""

    egress: Annotated[list[Host], pydantic.Field(max_length=100), lists.Distinct()] = (
        pydantic.Field(
            default_factory=list,
            description='Hosts that may be reached: a name, "*." and a domain, with ":port" if only one port; "*" is everything. Empty: no network.',
        )
    )
