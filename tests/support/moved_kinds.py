"""A RunnerJob two of whose fields have another name or place now; v1alpha1 itself has moved nothing."""

import pydantic

from workbenchx.api.kinds import runner_job
from workbenchx.api.shapes import base, rules, scalars

KIND = f"{__name__}:RunnerJobSpec"


class Ceiling(base.Shape):
    """What spec.resources was."""

    ram: base.Maybe[scalars.Memory] = pydantic.Field(
        default=None,
        json_schema_extra=rules.moved("spec.resources.memory", since="0.2"),
        description="Memory.",
    )


class RunnerJobSpec(runner_job.RunnerJobSpec):
    """With `deadline`, which is `timeout` now, and `ceiling.ram`, which is `resources.memory`."""

    deadline: base.Maybe[scalars.Duration] = pydantic.Field(
        default=None,
        json_schema_extra=rules.moved("spec.timeout", since="0.2"),
        description="Longest time.",
    )
    ceiling: base.Maybe[Ceiling] = pydantic.Field(default=None, description="Limits.")
