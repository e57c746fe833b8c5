"""Validating 10,000 files cold, on all cores: `wbx validate` against kubeconform.

kubeconform gets the schemas that are generated from the same models. 100 documents hold one error each: we have to name
every one with its line and column; kubeconform has to name the files of those that a schema can see. Besides, we resolve
references, look for secrets and find keys that are given twice, which it does not.
"""

import json
import os
import pathlib
import re

import generate
import harness
import peers

PLACE = re.compile(r"^ssot/(\S+?\.yaml):(\d+):(\d+): (?!notice|warning)", re.MULTILINE)
CASCADES = (
    2  # problems that one error may bring along elsewhere, such as a namespace that is then missing
)


def measure(small: bool) -> list[harness.Row]:
    """Both sides in turn, each in a new process."""
    count, errors, rounds = (200, 20, 1) if small else (10_000, 100, 5)
    with harness.workspace() as folder:
        seeded = generate.write(folder / "ssot", count, errors=errors)
        kubeconform = peers.find("kubeconform", small=small)
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(workbenchx(folder, seeded))
            if kubeconform is not None:
                theirs.append(conform(kubeconform, folder, seeded))
    if small or not theirs:
        return []
    what = f"validate {count:,} files with {errors} errors"
    mine, other = harness.best(ours), harness.best(theirs)
    return [
        harness.Row(f"{what}: time", mine.wall, other.wall, "s", 3),
        harness.Row(f"{what}: processor", mine.cpu, other.cpu, "s"),
        harness.Row(
            f"{what}: memory of the largest process",
            mine.memory / harness.MEBI,
            other.memory / harness.MEBI,
            "MiB",
        ),
    ]


def workbenchx(folder: pathlib.Path, seeded: list[generate.Seeded]) -> harness.Cost:
    """One run of ours.

    Raises:
        SystemExit: an error was not named, or the places of its problems are wrong.
    """
    cost = harness.process([harness.wbx(), "validate", "ssot"], folder=folder, expect=1)
    named = {(path, int(line), int(column)) for path, line, column in PLACE.findall(cost.output)}
    wanted = {(error.path, error.line, error.column) for error in seeded}
    if missed := sorted(wanted - named):
        raise SystemExit(f"wbx validate did not name {len(missed)} errors, such as {missed[0]}")
    if len(named) > len(wanted) * CASCADES:
        raise SystemExit(f"wbx validate named {len(named)} errors where {len(wanted)} are")
    return cost


def conform(
    program: pathlib.Path, folder: pathlib.Path, seeded: list[generate.Seeded]
) -> harness.Cost:
    """One run of kubeconform.

    Raises:
        SystemExit: the files that it refuses are not those whose error a schema can see.
    """
    schemas = harness.ROOT / "schemas" / "{{.ResourceKind}}.json"
    cores = str(len(os.sched_getaffinity(0)))
    arguments = ["-n", cores, "-output", "json", "-schema-location", str(schemas), "ssot"]
    cost = harness.process([program, *arguments], folder=folder, expect=1)
    refused = {
        item["filename"].removeprefix("ssot/") for item in json.loads(cost.output)["resources"]
    }
    if refused != (wanted := {error.path for error in seeded if error.schema}):
        raise SystemExit(f"kubeconform: {sorted(refused ^ wanted)[:3]} are not as expected")
    return cost


if __name__ == "__main__":
    harness.main(measure)
