"""ExperimentRun: one parameter set of an Experiment, declared by hand."""

import pydantic

from workbenchx.api.shapes import parameters, rules, scalars, spec


class ExperimentRunSpec(spec.Spec):
    """An experiment run. Its project, runtime and command are its Experiment's."""

    experiment: scalars.Name = pydantic.Field(
        json_schema_extra=rules.IMMUTABLE,
        description="Name of the Experiment in the same namespace.",
    )
    params: parameters.Params = pydantic.Field(
        default_factory=dict, description="Value of each parameter."
    )
