"""Runtime: an approved image, pinned by digest."""

from typing import Annotated, Self

import pydantic
from pydantic_core import PydanticCustomError

from workbenchx.api.shapes import base, compute, networks, rules, scalars, spec

REQUIREMENT = (
    r"^[A-Za-z0-9]([-A-Za-z0-9._]{0,98}[A-Za-z0-9])?(\[[-A-Za-z0-9._,]{1,100}\])?"
    r"((===|==|~=|>=|<=|!=|<|>)[-A-Za-z0-9.*+!_]{1,50}(,(===|==|~=|>=|<=|!=|<|>)[-A-Za-z0-9.*+!_]{1,50}){0,5})?$"
)

Digest = Annotated[
    str, *scalars.text("digest", r"^sha256:[0-9a-f]{64}$", "a digest sha256:<64 hex>", 71)
]
Requirement = Annotated[
    str,
    *scalars.text(
        "requirement", REQUIREMENT, 'a Python requirement such as "scikit-learn==1.5.2"', 400
    ),
]
PythonVersion = Annotated[
    str, *scalars.text("python", r"^3\.[0-9]{1,2}(\.[0-9]{1,2})?$", 'a version such as "3.12"', 8)
]


PULLING = ("do_runner", "kubernetes")
"""The adapters that pull what they run by its digest, which verifies it."""
_ONE_DIGEST = "must go with an image, and be the digest that its name is pinned to, if it is"
_PINNED = "of {} must be pinned: name@sha256:<64 hex>, or expectedDigest beside it"


class ProviderImage(base.Shape):
    """How one provider runs the image."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules.cel(
            "!has(self.expectedDigest) || (has(self.image) && (!self.image.contains('@')"
            " || self.image.endsWith('@' + self.expectedDigest)))",
            _ONE_DIGEST,
            field=".expectedDigest",
        )
    )

    image: base.Maybe[scalars.Text] = pydantic.Field(
        default=None,
        description="The image under the name that this provider wants. Absent: spec.image.",
    )
    expected_digest: base.Maybe[Digest] = pydantic.Field(
        default=None,
        description="Digest of it, as sha256:<64 hex>. do_runner and kubernetes pull it by that digest; vercel_sandbox shows none, and status says that it is not verified.",
    )

    @pydantic.model_validator(mode="after")
    def _one_digest(self) -> Self:
        expected, named = self.expected_digest, self.image
        if expected and (named is None or ("@" in named and not named.endswith(f"@{expected}"))):
            raise PydanticCustomError("digest_mismatch", _ONE_DIGEST)
        return self

    @property
    def pinned(self) -> bool:
        """Whether it says the bytes: by its name, by the digest beside it, or by being spec.image."""
        return self.image is None or "@sha256:" in self.image or self.expected_digest is not None


class ProviderImages(base.Shape):
    """The adapters that may run the runtime."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules.all_of(
            *(
                rules.cel(
                    f"!has(self.{name}) || !has(self.{name}.image) || self.{name}.image.contains('@sha256:')"
                    f" || has(self.{name}.expectedDigest)",
                    f"the image {_PINNED.format(name)}",
                    field=f".{name}",
                )
                for name in PULLING
            )
        )
    )

    vercel_sandbox: base.Maybe[ProviderImage] = pydantic.Field(
        default=None, alias="vercel_sandbox", description="It may run on Vercel Sandbox."
    )
    do_runner: base.Maybe[ProviderImage] = pydantic.Field(
        default=None, alias="do_runner", description="It may run on DigitalOcean droplets."
    )
    kubernetes: base.Maybe[ProviderImage] = pydantic.Field(
        default=None, description="It may run on Kubernetes."
    )
    local: base.Maybe[ProviderImage] = pydantic.Field(
        default=None, description="It may run on the machine of an embedded installation."
    )

    @pydantic.model_validator(mode="after")
    def _pulled_by_digest(self) -> Self:
        for name in PULLING:
            found: ProviderImage | None = getattr(self, name)
            if found is not None and not found.pinned:
                raise PydanticCustomError("not_pinned", f"the image {_PINNED.format(name)}")
        return self


class Limits(compute.Resources):
    """Most that one sandbox of this runtime may ask for."""

    timeout: base.Maybe[scalars.Duration] = pydantic.Field(
        default=None, description="Longest time that one run may take, as a duration."
    )


class Local(base.Shape):
    """How the local provider, which runs no image, stands in."""

    python: base.Maybe[PythonVersion] = pydantic.Field(
        default=None,
        description='Python version, such as "3.12". Absent: the one that runs WorkbenchX.',
    )
    packages: Annotated[list[Requirement], pydantic.Field(max_length=200)] = pydantic.Field(
        default_factory=list, description="Python packages that are installed, as requirements."
    )


class RuntimeSpec(spec.Spec):
    """A runtime. Cluster-scoped: it belongs to the platform team."""

    image: scalars.Image = pydantic.Field(
        description="OCI image pinned by digest: name@sha256:<64 hex>; a tag may stand before the @ for people.",
    )
    providers: base.Maybe[ProviderImages] = pydantic.Field(
        default=None,
        description="The adapters that may run it, and what it is called there. Absent: every adapter.",
    )
    limits: base.Maybe[Limits] = pydantic.Field(
        default=None, description="Most that one sandbox may ask for. Absent: no limit of its own."
    )
    local: base.Maybe[Local] = pydantic.Field(
        default=None, description="How the local provider stands in for the image."
    )
    approved: bool = pydantic.Field(
        default=False,
        description="True: resources may use it. Else they wait with RuntimeNotApproved.",
    )
    network: base.Maybe[networks.Network] = pydantic.Field(
        default=None, description="The most that anything on this runtime may reach."
    )
