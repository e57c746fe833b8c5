"""Where code is: a git repository, a branch and a folder."""

from typing import Annotated

import pydantic

from workbenchx.api.shapes import base, scalars

URL = (
    r"^(\.|(https?|ssh|git|file)://[^\x00-\x20@]+|ssh://[-A-Za-z0-9._]+@[^\x00-\x20@]+"
    r"|[-A-Za-z0-9._]+@[-A-Za-z0-9.]+:[^\x00-\x20@]+)$"
)
URL_RIGHT = '"." (this repository), an https:// or ssh:// URL without a password, or git@host:path'
REVISION = r"^[A-Za-z0-9][-A-Za-z0-9._/+]{0,199}$"

RepoUrl = Annotated[str, *scalars.text("repo_url", URL, URL_RIGHT, 1024, quote=False)]
Revision = Annotated[
    str,
    *scalars.text("revision", REVISION, 'a commit, branch or tag such as "main" or "v1.2"', 200),
]


class Repo(base.Shape):
    """A folder of a git repository."""

    url: RepoUrl = pydantic.Field(
        default=".", description='URL of the repository; "." is the one that this document is in.'
    )
    branch: base.Maybe[Revision] = pydantic.Field(
        default=None, description="Branch to follow. Default: the repository's default branch."
    )
    path: scalars.RelativePath = pydantic.Field(
        default=".",
        description="Folder inside the repository. It becomes the working folder of each run.",
    )
