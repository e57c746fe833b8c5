"""Experiment: a question, a metric and a matrix of parameters."""

import math
from typing import Annotated, Literal, Self

import pydantic
from pydantic_core import PydanticCustomError

from workbenchx.api.shapes import (
    base,
    compute,
    files,
    lists,
    networks,
    parameters,
    rules,
    scalars,
    spec,
)

MOST_RUNS = 1000


class Metric(base.Shape):
    """The number by which runs are compared."""

    name: scalars.Variable = pydantic.Field(
        description="Name of the number in the run's metrics file."
    )
    goal: Literal["minimize", "maximize"] = pydantic.Field(description="Which end is better.")


class Search(base.Shape):
    """Which cells of the matrix are run."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=rules.cel(
            "has(self.samples) == (has(self.strategy) && self.strategy == 'random')",
            "must have samples when its strategy is random, and only then",
        )
    )

    strategy: Literal["grid", "random"] = pydantic.Field(
        default="grid", description="grid: every cell. random: a sample of the cells."
    )
    samples: base.Maybe[Annotated[int, pydantic.Field(ge=1, le=MOST_RUNS)]] = pydantic.Field(
        default=None, description="Number of cells in the sample. Only for random."
    )
    seed: Annotated[int, pydantic.Field(ge=0, le=2**31 - 1)] = pydantic.Field(
        default=0, description="Seed of the sample: the same seed gives the same cells."
    )

    @pydantic.model_validator(mode="after")
    def _samples_of_random(self) -> Self:
        if (self.strategy == "random") != (self.samples is not None):
            raise PydanticCustomError(
                "search", "must have samples when its strategy is random, and only then"
            )
        return self


class EarlyStop(base.Shape):
    """When the remaining runs are not worth it. Accepted, but has no effect yet."""

    patience: Annotated[int, pydantic.Field(ge=1, le=MOST_RUNS)] = pydantic.Field(
        description="Number of ended runs without a better metric after which no more start."
    )
    min_runs: Annotated[int, pydantic.Field(ge=1, le=MOST_RUNS)] = pydantic.Field(
        default=1, description="Number of runs that are always executed."
    )


class ExperimentSpec(spec.OwnedSpec):
    """An experiment. Each cell of its matrix is executed once for each seed."""

    question: base.Maybe[scalars.Text] = pydantic.Field(
        default=None, description="What the experiment is to find out, in a sentence."
    )
    runtime: scalars.Name = pydantic.Field(description="Name of the Runtime.")
    provider: base.Maybe[scalars.Name] = pydantic.Field(
        default=None,
        description="Name of the SandboxProvider. Absent: the project's, else the default one.",
    )
    resources: base.Maybe[compute.Resources] = pydantic.Field(
        default=None, description="What one run may use."
    )
    command: scalars.Command = pydantic.Field(
        description="Command and arguments. No shell. It reads its parameters from the environment."
    )
    matrix: parameters.Matrix = pydantic.Field(
        default_factory=dict,
        description="Values to try, by parameter. Every combination is one cell.",
    )
    seeds: Annotated[
        list[Annotated[int, pydantic.Field(ge=0, le=2**31 - 1)]],
        pydantic.Field(max_length=MOST_RUNS),
        lists.Distinct(),
    ] = pydantic.Field(
        default_factory=list, description="Random seeds; each cell runs once for each. Empty: once."
    )
    concurrency: Annotated[int, pydantic.Field(ge=1, le=MOST_RUNS)] = pydantic.Field(
        default=1, description="Most runs at the same time."
    )
    metric: Metric = pydantic.Field(description="The number by which runs are compared.")
    search: base.Maybe[Search] = pydantic.Field(
        default=None, description="Which cells of the matrix are run. Absent: all of them."
    )
    early_stop: base.Maybe[EarlyStop] = pydantic.Field(
        default=None, description="When no more runs start. Accepted, but has no effect yet."
    )
    inputs: files.Inputs = pydantic.Field(
        default_factory=list, description="Files that lie in inputs/ before the command starts."
    )
    outputs: files.Outputs = pydantic.Field(
        default_factory=list, description="Files that each run leaves behind."
    )
    timeout: base.Maybe[scalars.Duration] = pydantic.Field(
        default=None,
        description="Longest time that one run may take, as a duration. Default: the runtime's limit, else 1h.",
    )
    retries: Annotated[int, pydantic.Field(ge=0, le=20)] = pydantic.Field(
        default=0, description="Number of further tries after a run that ended badly."
    )
    network: base.Maybe[networks.Network] = pydantic.Field(
        default=None, description="What a run may reach. Absent: no network."
    )

    @pydantic.model_validator(mode="after")
    def _bounded(self) -> Self:
        cells = math.prod(len(values) for values in self.matrix.values())
        if self.search is not None and self.search.samples is not None:
            cells = min(cells, self.search.samples)
        runs = cells * max(1, len(self.seeds))
        if runs > MOST_RUNS:
            raise PydanticCustomError(
                "matrix_size",
                "would make {runs} runs (at most {most}: take fewer values or seeds, or a random search)",
                {"runs": runs, "most": MOST_RUNS},
            )
        return self
