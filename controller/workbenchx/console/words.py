"""The forms of what callers give and of what they get, as types that the OpenAPI document shows."""

from typing import Annotated, Any

import fastapi
import pydantic

# No control characters: Postgres refuses NUL, and no name of ours has any other.
_PRINTED = r"^[^\x00-\x1f\x7f]*$"
Text = Annotated[str, pydantic.StringConstraints(max_length=512, pattern=_PRINTED)]
Name = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=253, pattern=_PRINTED)]
Asked = Annotated[Text | None, fastapi.Query()]
InPath = Annotated[Name, fastapi.Path()]
Money = Annotated[str, pydantic.StringConstraints(pattern=r"^-?[0-9]+(\.[0-9]+)?$")]
Document = dict[str, Any]


class Problem(pydantic.BaseModel):
    """What went wrong (RFC 9457); `reason` in one word, for programs."""

    type: str
    title: str
    status: int
    detail: str
    reason: str


class Key(pydantic.BaseModel):
    """What a resource is called."""

    kind: str
    namespace: str
    name: str
