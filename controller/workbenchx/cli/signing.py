"""What `wbx login` asks and says. People are asked between the requests, never while a loop runs: Ctrl-C stays Ctrl-C."""

import os
import sys
import urllib.parse
from typing import Any

import click

from workbenchx import errors
from workbenchx.cli import failure, interrupts, invocation
from workbenchx.remote import addresses, joining, logins, problems, supabase
from workbenchx.wiring import signed_in


def sign_in(link: str, email: str | None, *, by_mail: bool, as_json: bool) -> int:
    """Sign in as the API wants it, and keep what that gives."""
    url, code = split(link)
    how = interrupts.call(lambda: joining.how(url))
    if how["mode"] == "embedded":
        login = _by_link(url, code)
    else:
        login = _by_mail(url, joining.auth(how), email, by_mail=by_mail)
    return _keep(login, as_json=as_json)


def _by_link(url: str, code: str) -> logins.Login:
    given = code or _ask("One-time link or code (wbx console prints it)", secret=True)
    given = split(given)[1] if "://" in given else given
    return interrupts.call(lambda: joining.by_code(url, given))


def _by_mail(
    url: str, auth: supabase.Supabase, email: str | None, *, by_mail: bool
) -> logins.Login:
    # The API names who gets the password: whoever types it must see that name.
    where = addresses.host(addresses.checked(auth.url, "auth_url of the API"))
    name = email or _ask(f"E-mail, for {where}")
    if by_mail:
        interrupts.call(lambda: auth.send_code(name))
        invocation.tell(f"a code was sent to {name}, if that address may sign in")
        code = _ask("Code", secret=True)
        return interrupts.call(lambda: joining.by_mailed_code(url, auth, name, code))
    password = _ask(f"Password, for {where}", secret=True)
    return interrupts.call(lambda: joining.by_password(url, auth, name, password))


def by_token(link: str, given: str, *, as_json: bool) -> int:
    """Keep a token that somebody else issued."""
    if given != "-":
        raise failure.Failure(
            "a token on the command line could be seen by others",
            hint="give it on stdin: wbx login --token - < FILE",
        )
    url, _ = split(link)
    token = _ask("Token", secret=True)
    return _keep(logins.Login(url, token, joining.end_of(token)), as_json=as_json)


def _keep(login: logins.Login, *, as_json: bool) -> int:
    who = interrupts.call(lambda: joining.keep(signed_in.shelf(os.environ), login))
    _told(login.url, who, as_json=as_json)
    if os.environ.get(signed_in.TOKEN):
        invocation.tell(f"wbx: warning: {signed_in.TOKEN} is set and goes before this sign-in")
    return 0


def status(link: str, *, as_json: bool) -> int:
    """Who is signed in: exit 0; nobody: exit 1."""
    url, _ = split(link)
    try:
        who = interrupts.call(lambda: joining.who(url, signed_in.held(url, os.environ)))
    except errors.Stalled as problem:
        if problem.reason != problems.NOT_SIGNED_IN:
            raise
        if as_json:
            invocation.answer({"url": url, "signed_in": False, "user": None, "environment": None})
        else:
            invocation.say(f"not signed in to {url}")
        return 1
    _told(url, who, as_json=as_json)
    return 0


def out(link: str) -> int:
    """Forget the sign-in. Exit 0 also if there was none."""
    url, _ = split(link)
    gone = interrupts.call(lambda: joining.leave(signed_in.shelf(os.environ), url))
    invocation.say(f"signed out of {url}" if gone else f"nobody was signed in to {url}")
    return 0


def split(link: str) -> tuple[str, str]:
    """The API's address, and the one-time code that a link to it carries.

    Raises:
        errors.Stalled: reason BadSettings: no token may travel there.
    """
    parts = urllib.parse.urlsplit(link.strip())
    said = urllib.parse.parse_qs(parts.query) | urllib.parse.parse_qs(parts.fragment)
    code = said.get("code", [""])[0]
    return addresses.base(f"{parts.scheme}://{parts.netloc}" if code else link), code


def _told(url: str, who: dict[str, Any], *, as_json: bool) -> None:
    user = who["user"]
    environment = (who.get("installation") or {}).get("environment")
    if as_json:
        known = {name: user.get(name) for name in ("id", "email", "platform")}
        invocation.answer(
            {"url": url, "signed_in": True, "user": known, "environment": environment}
        )
        return
    name = user.get("email") or user.get("id")
    role = ", platform" if user.get("platform") else ""
    invocation.say(f"signed in to {url} ({environment}) as {name}{role}")


def _ask(prompt: str, *, secret: bool = False) -> str:
    """What a person types, or the next line of stdin where nobody can."""
    if sys.stdin.isatty():
        return str(click.prompt(prompt, hide_input=secret, err=True))
    line = sys.stdin.readline()
    if not line.strip():
        raise failure.Failure(f"stdin ended before the answer to: {prompt}")
    return line.rstrip("\r\n")
