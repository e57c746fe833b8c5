"""`wbx login`: sign in to an API, say who is signed in, sign out."""

import click

from workbenchx.cli import failure, invocation, options


@options.command("login")
@click.argument("url", required=False, metavar="[URL]")
@click.option("--email", metavar="ADDRESS", help="Sign in as (else it is asked for).")
@click.option("--otp", is_flag=True, help="By a one-time code sent by e-mail, not by password.")
@click.option("--token", metavar="-", help="Keep the token that stdin holds.")
@click.option("--status", is_flag=True, help="Say who is signed in: 0, or 1 if nobody is.")
@click.option("--out", is_flag=True, help="Sign out.")
@options.as_json
def command(
    context: click.Context,
    *,
    url: str | None,
    email: str | None,
    otp: bool,
    token: str | None,
    status: bool,
    out: bool,
    as_json: bool,
) -> int:
    """URL is the API's address (default: WBX_API_URL), or the one-time link that wbx console prints.

    With Supabase it asks for e-mail and password, which are read from stdin where that is no terminal. Tokens are
    kept for this user only, renewed by themselves, and never shown. In CI set WBX_API_TOKEN and do without this.
    """
    from workbenchx.cli import signing  # noqa: PLC0415 - httpx only when needed

    chosen = invocation.settings_of(context)
    if sum((token is not None, status, out)) > 1:
        raise failure.Failure("--token, --status and --out do not go together")
    link = url or chosen.api_url
    if not link:
        raise failure.Failure(
            "there is no address to sign in to",
            hint="wbx login https://..., or set WBX_API_URL",
        )
    if status:
        return signing.status(link, as_json=as_json)
    if out:
        return signing.out(link)
    if token is not None:
        return signing.by_token(link, token, as_json=as_json)
    return signing.sign_in(link, email, by_mail=otp, as_json=as_json)
