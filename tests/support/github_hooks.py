"""Webhooks as GitHub sends them: signed, one after the other, each at most once unless somebody asks for it again."""

import dataclasses
import hashlib
import hmac
import itertools
import json
import queue
import threading
import uuid
from collections.abc import Mapping
from typing import Any

import github_schema
import httpx

_SECONDS = 120.0
_GROUPS = ("pull-request", "check-run", "check-suite")
_ZEN = "Keep it logically awesome."


@dataclasses.dataclass(frozen=True, slots=True)
class Hook:
    """Who wants to hear of a repository."""

    id: int
    url: str
    secret: str


@dataclasses.dataclass
class Delivery:
    """One webhook. `answer`: the status that came back; 0: nobody answered; None: it is not sent."""

    hook: Hook
    event: str
    body: bytes
    id: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    answer: int | None = None

    @property
    def payload(self) -> Any:
        """What it tells."""
        return json.loads(self.body)

    def headers(self, secret: str | None = None) -> dict[str, str]:
        """As GitHub sends them; `secret`: signed with another one."""
        key = (secret or self.hook.secret).encode()
        made = hmac.new(key, self.body, hashlib.sha256).hexdigest()
        return {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/0123456",
            "X-GitHub-Hook-ID": str(self.hook.id),
            "X-GitHub-Event": self.event,
            "X-GitHub-Delivery": self.id,
            "X-GitHub-Hook-Installation-Target-ID": "7",
            "X-GitHub-Hook-Installation-Target-Type": "integration",
            "X-Hub-Signature-256": f"sha256={made}",
        }


class Hooks:
    """Hooks by the full name of their repository. While `held`, what happens waits in `waiting`, to be sent or lost."""

    def __init__(self) -> None:
        self.held = False
        self.waiting: list[Delivery] = []
        self.sent: list[Delivery] = []
        self._hooks: dict[str, list[Hook]] = {}
        self._numbers = itertools.count(1)
        self._queue: queue.Queue[Delivery | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """What is not sent by now is lost."""
        self._queue.put(None)
        self._thread.join()

    def subscribe(self, repository: Mapping[str, Any], url: str, secret: str) -> Hook:
        """Send what happens there to `url`, a ping first."""
        made = Hook(next(self._numbers), url, secret)
        self._hooks.setdefault(repository["full_name"], []).append(made)
        said = {"hook_id": made.id, "zen": _ZEN, "repository": repository}
        hook = {"id": made.id, "type": "Repository", "name": "web", "events": ["push"]}
        payload = github_schema.webhook("ping", {**said, "hook": hook})
        self._post(Delivery(made, "ping", json.dumps(payload).encode()))
        return made

    def tell(self, repository: Mapping[str, Any], name: str, values: Mapping[str, Any]) -> None:
        """Something happened; `name` is that of the description, such as `pull-request-opened`. Violation: not of it."""
        payload = github_schema.webhook(name, {**values, "repository": repository})
        body = json.dumps(payload).encode()
        event = next((each for each in _GROUPS if name.startswith(each)), name).replace("-", "_")
        for hook in self._hooks.get(repository["full_name"], ()):
            self._post(Delivery(hook, event, body))

    def send(self, delivery: Delivery) -> None:
        """Send one, or send it again as who asks for a redelivery: its id and its bytes are those of before."""
        self._queue.put(delivery)

    def settle(self) -> None:
        """Return once all that was to be sent is answered."""
        self._queue.join()

    def _post(self, delivery: Delivery) -> None:
        if self.held:
            self.waiting.append(delivery)
        else:
            self.send(delivery)

    def _work(self) -> None:
        while (delivery := self._queue.get()) is not None:
            delivery.answer = _answer(delivery)
            self.sent.append(delivery)
            self._queue.task_done()
        self._queue.task_done()


def _answer(delivery: Delivery) -> int:
    """The status; GitHub tries once."""
    try:
        return httpx.post(
            delivery.hook.url,
            content=delivery.body,
            headers=delivery.headers(),
            timeout=_SECONDS,
            trust_env=False,
        ).status_code
    except httpx.HTTPError:
        return 0
