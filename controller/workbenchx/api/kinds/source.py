"""Source: a git repository to follow."""

from typing import Annotated, Literal

import pydantic

from workbenchx.api import authors
from workbenchx.api.shapes import base, environment, fixbots, repository, rules, scalars, spec

ForgeUrl = Annotated[
    str,
    *scalars.text(
        "url",
        r"^https?://[^\x00-\x20@]{1,500}$",
        "an http(s) URL without a password",
        512,
        quote=False,
    ),
]


class Verify(base.Shape):
    """Only commits that are signed by one of these keys are applied."""

    mode: Literal["gpg", "ssh"] = pydantic.Field(description="Kind of signature.")
    keys: environment.SecretRef = pydantic.Field(
        description="Where the public keys are: armoured GPG keys, or an SSH allowed_signers file."
    )
    signers: base.Maybe[scalars.RelativePath] = pydantic.Field(
        default=None,
        description="File of the repository with further such keys. A commit is checked by the file as it was in force before it, never by its own.",
    )


AppId = Annotated[
    str,
    *scalars.text(
        "app_id", r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", "the client id of a GitHub App", 100
    ),
]


Author = Annotated[
    str,
    *scalars.text("author", authors.NAME, 'a name such as "FixBot", without < and >', 100),
]
Address = Annotated[
    str, *scalars.text("address", authors.ADDRESS, "an e-mail address of ASCII letters", 254)
]


class Commits(base.Shape):
    """Who FixBot's commits are by. Forges call a signature good if the address is of the account that has the key."""

    name: base.Maybe[Author] = pydantic.Field(
        default=None, description="Name of author and committer. Absent: the worker's setting."
    )
    email: base.Maybe[Address] = pydantic.Field(
        default=None, description="Their e-mail address. Absent: the worker's setting."
    )
    signing_key: base.Maybe[environment.SecretRef] = pydantic.Field(
        default=None,
        description="Where the key is that signs: a private SSH key, or an armoured GPG key, without a passphrase. Absent: the worker's setting.",
    )


class Forge(base.Shape):
    """Where pull requests of the repository are, and whom we speak for there."""

    type: base.Maybe[Literal["github", "gitea"]] = pydantic.Field(
        default=None,
        description="Which program the forge runs. Absent: found from the repository's URL.",
    )
    url: base.Maybe[ForgeUrl] = pydantic.Field(
        default=None, description="URL of the forge's API. Absent: found from the repository's URL."
    )
    app: base.Maybe[AppId] = pydantic.Field(
        default=None,
        description="Client id of the GitHub App that speaks; `credentials` is its private key. Absent: a token speaks.",
    )
    credentials: base.Maybe[environment.SecretRef] = pydantic.Field(
        default=None,
        description="Where the forge's token, or the App's private key, is. Absent: spec.credentials.",
    )
    commits: base.Maybe[Commits] = pydantic.Field(
        default=None, description="Who FixBot's commits are by, and the key that signs them."
    )


class SourceSpec(spec.Spec):
    """A source: what its branch declares is brought in force, commit by commit."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules.cel(
            "has(self.project) == has(oldSelf.project)"
            " && (!has(self.project) || self.project == oldSelf.project)",
            "cannot be changed (delete the resource and declare another one)",
            field=".project",
        )
    )

    project: base.Maybe[scalars.Name] = pydantic.Field(
        default=None, description="Name of the Project. Absent: it belongs to the platform team."
    )
    url: repository.RepoUrl = pydantic.Field(description="URL of the repository.")
    branch: base.Maybe[repository.Revision] = pydantic.Field(
        default=None, description="Branch to follow. Default: the repository's default branch."
    )
    path: scalars.RelativePath = pydantic.Field(
        default=".", description="Folder whose documents are applied."
    )
    interval: scalars.Duration = pydantic.Field(
        default="60s", description="Time between two fetches, as a duration."
    )
    prune: bool = pydantic.Field(
        default=True, description="True: what is no longer in the repository is deleted."
    )
    verify: base.Maybe[Verify] = pydantic.Field(
        default=None, description="Signatures that commits must have. Absent: any commit."
    )
    forge: base.Maybe[Forge] = pydantic.Field(
        default=None, description="Where pull requests are. Absent: no checks and no FixBot."
    )
    service_account_name: base.Maybe[scalars.Name] = pydantic.Field(
        default=None,
        description='ServiceAccount that applies, in this namespace. Default: "wbx-source".',
    )
    credentials: base.Maybe[environment.SecretRef] = pydantic.Field(
        default=None, description="Where the token or key for fetching is. Absent: it is public."
    )
    webhook_secret: base.Maybe[environment.SecretRef] = pydantic.Field(
        default=None, description="Where the secret that signs the forge's webhooks is."
    )
    fixbot: base.Maybe[fixbots.FixBot] = pydantic.Field(
        default=None,
        description="Whether FixBot may propose changes of cluster-scoped kinds. Only in wbx-system.",
    )
