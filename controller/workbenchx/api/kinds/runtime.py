"""Runtime: an approved image, pinned by digest."""

from typing import Annotated

import pydantic

from workbenchx.api.shapes import base, compute, networks, scalars, spec

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


class ProviderImage(base.Shape):
    """How one provider runs the image."""

    image: base.Maybe[scalars.Text] = pydantic.Field(
        default=None,
        description="The image under the name that this provider wants. Absent: spec.image.",
    )
    expected_digest: base.Maybe[Digest] = pydantic.Field(
        default=None,
        description="Digest that the provider must report for it, as sha256:<64 hex>. Needed where its name is not pinned.",
    )


class ProviderImages(base.Shape):
    """The adapters that may run the runtime."""

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
