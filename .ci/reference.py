"""Write controller/REFERENCE.md: every kind, command, setting, reason, state and event type, from the code itself.

Usage: python .ci/reference.py [--check]. With --check it only tells whether the file is fresh.
"""

import pathlib
import sys
from collections.abc import Iterable, Sequence

from workbenchx.api import event_types, reasons, registry, states, vocabulary
from workbenchx.cli import catalog
from workbenchx.planner import abilities
from workbenchx.wiring import adapters, keys

TARGET = pathlib.Path(__file__).parent.parent / "controller" / "REFERENCE.md"
HEAD = """# Reference

Written by `make generate` from the code; do not edit. Every field of every kind, with its unit, is in `schemas/` and in the editor; every option of
a command is in `wbx COMMAND --help`.
"""


FIXBOT = """
FixBot of a project is on by `spec.fixbot` of the Project; for cluster-scoped kinds by `spec.fixbot` of a Source in `wbx-system`. What they say counts before `[fixbot] enabled`
and `[fixbot] rules`, which embedded count where they say nothing. A Source's `spec.forge.commits` counts, field by field, before `[fixbot] name`, `email` and `signing_key`. All
other keys of `[fixbot]` are the process's alone; the worker of a cluster reads them from its environment. Who changes name or address hands over the pull requests that are open.
"""
ELSEWHERE = {
    "WBX_SECRET_<PROJECT>_*": "a secret that a resource of the project may name in `secretRef`, embedded only",
    "WBX_API_TOKEN": "with WBX_API_URL: the token to use instead of what `wbx login` kept, as in CI",
    "WBX_ADMIN_URL": "for `wbx db bootstrap`: the server, as its administrator",
    "WBX_PASSWORD_MIGRATE": "for `wbx db bootstrap`: the password of the login wbx_migrate",
    "WBX_PASSWORD_ENGINE": "for `wbx db bootstrap`: the password of the login wbx_engine",
    "WBX_PASSWORD_API": "for `wbx db bootstrap`: the password of the login wbx_api",
    "WBX_PASSWORD_ADMIN": "for `wbx db serve`: the administrator's password",
    "WBX_FAILPOINT": "for the crash test: where the process kills itself",
}
SEEN = {
    "WBX_RUN_ID": "the run",
    "WBX_PROJECT": "its project",
    "WBX_COMMIT": "the commit of the code, if it was clean",
    "WBX_SEED": "the seed of a matrix run",
    "WBX_SCHEDULED_FOR": "the time of its schedule that the run stands for (RFC 3339)",
    "WBX_PARAMS": "all parameters, as a JSON object",
    "WBX_PARAM_<NAME>": "one parameter",
    "WBX_METRICS": "path where the run may write a JSON object of numbers",
    "WBX_OUTPUTS": "the folder `outputs/`",
    "WBX_INPUT_<NAME>_URI": "the address of an input that the run fetches itself",
    "WBX_SANDBOX": "a mark by which the local provider knows its processes",
    "PORT": "where a service listens",
    "HOST": "on a cluster: the address that it listens on, every one of its pod",
    "WBX_PORT_<NUMBER>": "where to listen for the declared port of that number",
}


LOCAL = {("SandboxProvider", "local"), ("StorageProvider", "local")}
CARRIERS = (
    "A project goes over to another one by one field of `spec.providers`, a resource by `spec.provider`. What an adapter"
    " can never do is refused in the plan: an app, or a session with ports, where nothing can be reached; a GPU where there is none."
    "\n\n`do_runner` makes droplets; with `shape: microvm` in its settings, DigitalOcean's microVMs: a preview, not tried on a live account."
    " Name `image` (what `buildah build --target runner` makes of the Containerfile, pushed where DigitalOcean finds it), `sizes` like"
    " `2vcpu-4gb`, and their `prices`; `pauseAfter` is how many seconds without use it takes until one pauses. A microVM has no GPU. `wbx"
    " provider check` tells on your account what nobody could try: whether the image's command may shut another one in, whether a pause keeps a run, whether"
    " DigitalOcean shows the image that was asked for (decision 192)."
)


def render() -> str:
    """The whole page."""
    parts = [HEAD, kinds(), carriers(), *commands(), setting_table()]
    parts += [
        variables("Other environment variables", ELSEWHERE),
        variables("What a run sees", SEEN),
    ]
    parts += words("Reasons", "The `reason` of the condition Ready.", reasons.Reason)
    parts += words("States", "The column `state` of every resource table.", states.State)
    parts += words("Event types", "The column `type` of `ops.run_events`.", event_types.EventType)
    return "\n".join(parts)


def kinds() -> str:
    """One row a kind."""
    rows = [
        (
            f"`{kind.kind}`",
            kind.plural if kind.implemented else f"{kind.plural} (recorded only, so far)",
            ", ".join(kind.short_names),
            "cluster" if kind.cluster_scoped else "namespaced",
            f"`ops.{kind.table}`",
            kind.purpose,
        )
        for kind in registry.KINDS.values()
    ]
    head = ("kind", "plural", "short", "scope", "table", "what it is")
    return f"## Kinds of {registry.API_VERSION}\n\n{table(head, rows)}\n"


def carriers() -> str:
    """One row an adapter: the kinds that it carries out."""
    rows = []
    for role, name in sorted({*adapters.MODULES, *LOCAL}):
        sandbox, models = role == "SandboxProvider", role == "InferenceProvider"
        runs = [sandbox, sandbox, sandbox, sandbox and name in abilities.OPENS_PORTS, models]
        runs += [sandbox and name in abilities.HAS_GPUS, role == "StorageProvider"]
        rows.append((f"`{name}`", role, *("yes" if each else "-" for each in runs)))
    kinds = ("RunnerJob", "ExperimentRun", "Session", "AppDeployment", "ModelDeployment")
    head = ("adapter", "of a", *kinds, "GPUs", "keeps artifacts")
    return f"## Which adapter does what\n\n{CARRIERS}\n\n{table(head, rows)}\n"


def commands() -> Iterable[str]:
    """One table a section of `wbx --help`."""
    yield "## Commands\n"
    for title, section in catalog.SECTIONS.items():
        rows = [(f"`wbx {name}`", entry.help) for name, entry in section.items()]
        yield f"{title}:\n\n{table(('command', 'what it does'), rows)}\n"


def setting_table() -> str:
    """One row a setting."""
    rows = [
        (f"`{spelled(name)}`", f"`WBX_{name.upper()}`", form(key.form), key.meaning)
        for name, key in keys.KEYS.items()
    ]
    head = ("key in wbx.toml", "environment variable", "form", "what it means")
    return f"## Settings\n\n{table(head, rows)}\n{FIXBOT}\n"


def spelled(name: str) -> str:
    """A key as wbx.toml has it."""
    table, _, inner = name.partition("_")
    return f"[{table}] {inner}" if table in keys.TABLES else name


def variables(title: str, known: dict[str, str]) -> str:
    """One row a variable."""
    rows = [(f"`{name}`", meaning) for name, meaning in known.items()]
    return f"## {title}\n\n{table(('environment variable', 'what it means'), rows)}\n"


def form(found: str | tuple[str, ...]) -> str:
    """The form of a value, for people."""
    return found if isinstance(found, str) else " or ".join(f"`{word}`" for word in found)


def words(title: str, intro: str, enum: type[vocabulary.Word]) -> Iterable[str]:
    """One row a word."""
    rows = [(f"`{word}`", word.meaning) for word in enum]
    yield f"## {title}\n\n{intro}\n\n{table(('word', 'meaning'), rows)}\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def main() -> None:
    """Write, or check."""
    text = render()
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text, encoding="utf-8")
    elif not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
        raise SystemExit("controller/REFERENCE.md is not fresh: run make generate")


if __name__ == "__main__":
    main()
