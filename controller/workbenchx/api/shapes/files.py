"""Files that go into and come out of a run."""

from typing import Annotated

import pydantic

from workbenchx.api.shapes import base, lists, scalars


class Input(base.Shape):
    """A file or folder that lies at `inputs/<name>` in the working folder before the command starts."""

    name: scalars.FileName = pydantic.Field(description="Name under inputs/ in the working folder.")
    from_: scalars.InputFrom = pydantic.Field(
        alias="from",
        description="Where it comes from: Dataset/<name>, Model/<name>, RunnerJob/<name>/<output>, or Experiment/<name>/<output> (the output of its best run).",
    )
    path: base.Maybe[scalars.RelativePath] = pydantic.Field(
        default=None, description="Only this path inside it, when it is a folder or an archive."
    )


class Output(base.Shape):
    """A file that the command leaves behind. It is stored by its sha256; a missing one fails the run."""

    name: scalars.FileName = pydantic.Field(description="Name of the artifact.")
    path: scalars.RelativePath = pydantic.Field(
        description="Path of the file in the working folder."
    )


Inputs = Annotated[list[Input], pydantic.Field(max_length=64), lists.Distinct("name")]
Outputs = Annotated[list[Output], pydantic.Field(max_length=64), lists.Distinct("name")]
