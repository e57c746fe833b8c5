"""The app: type a penguin's measurements, read its species. Plain `http.server`, no package to install."""

import html
import http.server
import json
import os
import pathlib
import urllib.parse
from typing import Any

import folder
import softmax
import table
import train

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Which penguin?</title>
<style>body{{font:1rem/1.5 sans-serif;max-width:32rem;margin:3rem auto}}label{{display:block}}</style>
<h1>Which penguin?</h1>
<form action="/predict">{fields}<button>Predict</button></form>
<p>{answer}</p>
</html>"""
FIELD = '<label>{name} <input name="{name}" value="{value}" required></label>'
TYPICAL = {"bill_length_mm": 44, "bill_depth_mm": 17, "flipper_length_mm": 200, "body_mass_g": 4200}


def load(path: pathlib.Path) -> softmax.Model:
    """The registered model if the run was given one, else one trained now on the table beside this file."""
    if path.exists():
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return softmax.Model(**stored)
    rows = table.clean(table.read(pathlib.Path(__file__).parent / "data" / "penguins.csv"))
    birds = [(table.features(row), table.SPECIES.index(row["species"])) for row in rows]
    return train.fit(birds, learning_rate=0.1, epochs=60, seed=0)


def answer(model: softmax.Model, query: dict[str, list[str]]) -> dict[str, Any]:
    """The prediction for one query.

    Raises:
        ValueError: a measurement is missing or is no number; the message names it.
    """
    values = []
    for name in model.features:
        try:
            values.append(float(query[name][0]))
        except (KeyError, ValueError):
            raise ValueError(f"{name}: give a number") from None
    chances = dict(zip(model.labels, model.probabilities(values), strict=True))
    return {"species": model.predict(values), "probabilities": chances}


def page(query: dict[str, list[str]], text: str) -> str:
    """The form, filled with what was asked, and the answer below it."""
    asked = {name: query.get(name, [str(usual)])[0] for name, usual in TYPICAL.items()}
    fields = (FIELD.format(name=name, value=html.escape(value)) for name, value in asked.items())
    return PAGE.format(fields="\n".join(fields), answer=html.escape(text))


class Handler(http.server.BaseHTTPRequestHandler):
    """Three paths: `/`, `/predict`, `/healthz`."""

    model: softmax.Model

    def do_GET(self) -> None:
        """Answer one request."""
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        if url.path == "/healthz":
            self.reply(200, "text/plain", "ok\n")
        elif url.path == "/":
            self.reply(200, "text/html", page(query, "Four numbers are enough."))
        elif url.path == "/predict":
            self.predict(query)
        else:
            self.reply(404, "text/plain", f"no page {url.path}\n")

    def predict(self, query: dict[str, list[str]]) -> None:
        """JSON for programs, the page for people."""
        wants_json = "json" in self.headers.get("Accept", "")
        try:
            found = answer(self.model, query)
        except ValueError as problem:
            self.reply(400, "text/plain", f"{problem}\n")
            return
        if wants_json:
            self.reply(200, "application/json", json.dumps(found))
        else:
            chance = found["probabilities"][found["species"]]
            self.reply(200, "text/html", page(query, f"{found['species']} ({chance:.0%} sure)"))

    def reply(self, status: int, kind: str, text: str) -> None:
        """One whole answer."""
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Load the model, then serve on `HOST` and `PORT` until stopped."""
    Handler.model = load(folder.INPUTS / "model")
    address = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080"))
    with http.server.ThreadingHTTPServer(address, Handler) as server:
        print(f"listening on port {server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
