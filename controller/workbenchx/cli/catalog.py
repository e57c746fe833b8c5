"""The commands: name, module, one line of help. Reading this imports no command."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One command; its module is `workbenchx.cli.commands.<module>` and holds `command`."""

    module: str
    help: str


SECTIONS: dict[str, dict[str, Entry]] = {
    "Declare and apply": {
        "up": Entry("up", "Start everything, make it what the files say, and keep it so."),
        "validate": Entry("validate", "Check files; print every error with its place."),
        "plan": Entry("plan", "Show what applying the files would change."),
        "check": Entry("check", "Show what a pull request would change, for any CI."),
        "apply": Entry("apply", "Make it so: mirror the files and carry out the plan."),
        "fix": Entry("fix", "Show what is wrong, and changes of the files that mend it."),
        "confirm": Entry("confirm", "Let a held destructive plan happen."),
    },
    "Know": {
        "get": Entry("get", "Show resources: the tree, a kind, or one resource."),
        "why": Entry("why", "Say in one sentence why a resource is in its state."),
        "diff": Entry("diff", "Show a resource's declared, recorded and observed fields."),
        "runs": Entry("runs", "List runs, or show one with its events."),
        "logs": Entry("logs", "Print the output of a run."),
        "search": Entry("search", "Find passages in a project's texts."),
        "artifact": Entry("artifact", "List, fetch, link and verify stored artifacts."),
    },
    "Order": {
        "run": Entry("run", "Run a job once more, or the times of its schedule that it missed."),
        "session": Entry("session", "Start, stop and extend a session, or keep its files."),
        "cancel": Entry("cancel", "End a run."),
        "reproduce": Entry("reproduce", "Run the same again and compare what comes out."),
        "suspend": Entry("suspend", "Do nothing more for a resource until it is resumed."),
        "resume": Entry("resume", "End a suspension or a stop; optionally revert drift."),
        "sync": Entry("sync", "Look at a followed repository now, and bring its commit in force."),
        "adopt": Entry("adopt", "Take over an object that exists at a provider."),
        "forget": Entry("forget", "Stop managing a resource and leave its object alone."),
    },
    "Operate": {
        "login": Entry("login", "Sign in to an API, which WBX_API_URL then names."),
        "worker": Entry("worker", "Perform runs of a cluster's database; any number of them."),
        "runner": Entry("runner", "Carry out the one run of a machine of a provider."),
        "gateway": Entry("gateway", "Serve models under their aliases; any number of them."),
        "console": Entry("console", "Serve the HTTP API and its pages."),
        "operator": Entry("operator", "Reconcile custom resources of a Kubernetes cluster."),
        "source": Entry("source", "Show webhooks of followed repositories, and handle one anew."),
        "provider": Entry("provider", "Try a provider with its real credentials, and undo it."),
        "db": Entry("db", "The database: migrate, psql, verify, anchor, status, bootstrap."),
    },
}
COMMANDS: dict[str, Entry] = {
    name: entry for section in SECTIONS.values() for name, entry in section.items()
}
