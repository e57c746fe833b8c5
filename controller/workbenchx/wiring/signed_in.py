"""Where this user's sign-ins are kept, and which of them a request proves itself with."""

import pathlib
from collections.abc import Mapping

from workbenchx import errors
from workbenchx.remote import addresses, logins, supabase, tokens

TOKEN = "WBX_API_TOKEN"  # noqa: S105 - the variable's name
_URL = "WBX_API_URL"


def shelf(environ: Mapping[str, str]) -> logins.Shelf:
    """Where this user's sign-ins are kept.

    Raises:
        errors.Stalled: reason HomeNotWritable: the user has no home folder.
    """
    folder = environ.get("XDG_CONFIG_HOME")
    if folder and pathlib.Path(folder).is_absolute():
        return logins.Shelf(pathlib.Path(folder) / "workbenchx" / "logins")
    try:
        return logins.Shelf(pathlib.Path.home() / ".config" / "workbenchx" / "logins")
    except RuntimeError as error:
        raise errors.Stalled(
            "sign-in: this user has no home folder; set XDG_CONFIG_HOME", reason="HomeNotWritable"
        ) from error


def held(url: str, environ: Mapping[str, str]) -> tokens.Tokens:
    """What requests prove themselves with: WBX_API_TOKEN, else what `wbx login` kept.

    That token goes only to the address beside it in the environment: a wbx.toml may come with a pull request.

    Raises:
        errors.Stalled: reason BadSettings.
    """
    if environ.get(TOKEN):
        if not environ.get(_URL):
            raise errors.Stalled(
                f"settings: {TOKEN} is set without {_URL}, and goes to no address that a file names",
                reason="BadSettings",
            )
        if addresses.base(environ[_URL]) == url:
            return tokens.Fixed(environ[TOKEN], TOKEN)
    return tokens.Kept(shelf(environ), url, supabase.renew)
