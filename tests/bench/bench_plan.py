"""A plan of 10,000 resources that changes nothing, cold: `wbx plan` against `tofu plan`.

OpenTofu gets 10,000 `terraform_data` resources (its built-in provider: no plug-in process, no network, nothing to
refresh) in the form that it plans fastest: one file, one block each, the same document as one text. (With `count`, or with
an object as input, its time grows with the square of their number.) Its state is a local file. We read 10,000 YAML
files and ask Postgres.
"""

import json
import pathlib

import generate
import harness
import peers
import yaml


def measure(small: bool) -> list[harness.Row]:
    """Both sides, on the same documents."""
    count, rounds = (200, 1) if small else (10_000, 3)
    with harness.workspace() as folder:
        generate.write(folder / "ssot", count)
        ours = workbenchx(folder, rounds)
        tofu = peers.find("tofu", small=small)
        if tofu is None:
            return []
        theirs = opentofu(tofu, folder / "ssot", folder / "peer", rounds)
    what = f"no-change plan of {count:,} resources"
    third = 1 / 3
    return [
        harness.Row(f"{what}: time", ours.wall, theirs.wall, "s", third),
        harness.Row(f"{what}: processor", ours.cpu, theirs.cpu, "s"),
        harness.Row(
            f"{what}: memory",
            ours.memory / harness.MEBI,
            theirs.memory / harness.MEBI,
            "MiB",
            third,
        ),
    ]


def workbenchx(folder: pathlib.Path, rounds: int) -> harness.Cost:
    """Apply once; then plan, which must find nothing to do (exit code 0)."""
    wbx = harness.wbx()
    harness.process([wbx, "apply", "ssot"], folder=folder)
    harness.process([wbx, "plan", "ssot"], folder=folder)
    return harness.best(
        [harness.process([wbx, "plan", "ssot"], folder=folder) for _ in range(rounds)]
    )


def opentofu(
    tofu: pathlib.Path, ssot: pathlib.Path, folder: pathlib.Path, rounds: int
) -> harness.Cost:
    """Apply once; then plan, which must find nothing to do (exit code 0 of -detailed-exitcode)."""
    folder.mkdir()
    blocks = [block(number, path) for number, path in enumerate(sorted(ssot.rglob("*.yaml")))]
    (folder / "main.tf").write_text("\n".join(blocks), encoding="utf-8")
    (folder / "empty.tfrc").write_text("", encoding="utf-8")
    env = {"TF_CLI_CONFIG_FILE": str(folder / "empty.tfrc"), "CHECKPOINT_DISABLE": "1"}
    plain = ["-input=false", "-no-color"]
    harness.process([tofu, "init", *plain], folder=folder, env=env)
    harness.process([tofu, "apply", "-auto-approve", *plain], folder=folder, env=env)
    plan: list[str | pathlib.Path] = [tofu, "plan", "-detailed-exitcode", *plain]
    return harness.best([harness.process(plan, folder=folder, env=env) for _ in range(rounds)])


def block(number: int, path: pathlib.Path) -> str:
    """A document as a `terraform_data`, its text as the input; `${` would be an expression, so it is written `$${`."""
    with path.open("rb") as stream:
        document = yaml.load(stream, Loader=yaml.CSafeLoader)
    text = json.dumps(json.dumps(document)).replace("${", "$${").replace("%{", "%%{")
    return f'resource "terraform_data" "r{number}" {{\n  input = {text}\n}}\n'


if __name__ == "__main__":
    harness.main(measure)
