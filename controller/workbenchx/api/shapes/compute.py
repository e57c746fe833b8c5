"""What a sandbox may use: `spec.resources` and a Runtime's `spec.limits`."""

import pydantic

from workbenchx.api.shapes import base, scalars


class Resources(base.Shape):
    """CPU, memory and GPUs of one sandbox."""

    cpu: base.Maybe[scalars.Cpu] = pydantic.Field(
        default=None, description='CPU in cores: a whole number, "0.5" or "500m" (thousandths).'
    )
    memory: base.Maybe[scalars.Memory] = pydantic.Field(
        default=None,
        description='Memory in bytes with a unit, such as "512Mi" or "4Gi". The process tree is ended above it.',
    )
    gpu: base.Maybe[scalars.Count] = pydantic.Field(
        default=None, description="Number of whole GPUs. 0: none."
    )
