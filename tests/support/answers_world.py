"""A project with a budget, a ModelDeployment and members, recorded: what the tests of answers begin with."""

import dataclasses
import decimal
from typing import Any

import console_lab
import psycopg
import store_worlds as worlds

from workbenchx import ports
from workbenchx.planner import model
from workbenchx.store import embedded, postgres

USD = decimal.Decimal
PRICES = [
    {"unit": "million-input-tokens", "usd": 1},
    {"unit": "million-output-tokens", "usd": 1000},
]


@dataclasses.dataclass(frozen=True)
class Made:
    """The project's id, and claims of an editor."""

    project_id: str
    url: str

    def ask(self, usd: str = "1", role: str = "editor", **fields: Any) -> ports.Ask:
        """A request of somebody of that role."""
        chosen: dict[str, Any] = {
            "run_id": worlds.new_id(),
            "project_id": self.project_id,
            "namespace": "iris",
            "name": "chat",
            "provider": "local_llm",
            "usd": USD(usd),
            "document": {"alias": "chat"},
            "claims": claims(role),
        }
        return ports.Ask(**(chosen | fields))

    def rows(self, query: str, *given: Any) -> list[tuple[Any, ...]]:
        """What the database says, as the engine."""
        with psycopg.connect(self.url) as conn:
            return conn.execute(query, given).fetchall()

    def execute(self, query: str, *given: Any) -> None:
        """Change the database, as its owner."""
        with psycopg.connect(self.url) as conn:
            conn.execute(query, given)


def claims(role: str) -> dict[str, Any]:
    """What a verified token of somebody of that role says."""
    found: dict[str, Any] = {"sub": console_lab.ROLES[role], "role": "authenticated"}
    if role == "platform":
        found["app_metadata"] = {"wbx_role": "platform"}
    return found


def ended(ask: ports.Ask, cost: str = "0.25", **fields: Any) -> ports.Ended:
    """A good end of it."""
    chosen: dict[str, Any] = {
        "run_id": ask.run_id,
        "state": "succeeded",
        "reason": "Succeeded",
        "message": "",
        "provider": "local_llm",
        "model": "tiny",
        "alias": "chat",
        "input_tokens": 10,
        "output_tokens": 20,
        "estimated": False,
        "cost": USD(cost),
    }
    return ports.Ended(**(chosen | fields))


def provider(name: str, url: str, **spec: Any) -> model.Declared:
    """An InferenceProvider in front of a server of the OpenAI API."""
    document: dict[str, Any] = {
        "adapter": "do_gradient",
        "settings": {"baseUrl": url, "timeout": 120} | spec.pop("settings", {}),
        "credentials": {"apiKey": {"env": "KEY_OF_THE_TESTS"}},
        "prices": PRICES,
    }
    place = model.SourceRef("s-providers", None, "c1", f"ssot/{name}.yaml", 1)
    key = model.Key("InferenceProvider", "", name)
    return model.Declared(key, None, document | spec, "c" * 64, place)


def revision(provider: str = "first", weight: int = 100, **more: Any) -> dict[str, Any]:
    """What an alias is served by."""
    found = {"revision": "r1", "provider": provider, "model": "tiny", "params": {}}
    return found | {"weight": weight, "stable": True} | more


async def fill(
    store: postgres.Postgres,
    server: embedded.Server,
    database: str,
    *,
    budget: str | None = "5",
    serving: list[dict[str, Any]] | None = None,
    providers: tuple[model.Declared, ...] = (),
    name: str = "iris",
    probe: dict[str, Any] | None = None,
) -> Made:
    """Record them."""
    epoch = await worlds.lead(store)
    spec: dict[str, Any] = {"members": console_lab.MEMBERS}
    if budget is not None:
        spec["budget"] = {"monthlyUSD": budget}
    place = model.SourceRef(f"s-{name}", None, "c1", f"ssot/{name}.yaml", 1)
    project = model.Declared(model.Key("Project", "", name), None, spec, "a" * 64, place)
    body: dict[str, Any] = {"project": name, "model": "tiny", "alias": "chat"}
    body |= {"probe": probe} if probe else {}
    chat = model.Declared(model.Key("ModelDeployment", name, "chat"), name, body, "b" * 64, place)
    rows = [worlds.created(each) for each in (project, chat, *providers)]
    await store.mirror(f"s-{name}", [row.declared for row in rows], complete=True, commit="c1")
    verdicts = [worlds.ready(row) for row in rows]
    verdicts[1] = worlds.ready(rows[1], serving=serving or [])
    await store.settle(epoch, worlds.batch(rows=rows, verdicts=verdicts))
    return Made(rows[0].uid, server.url_for("wbx_engine", database))
