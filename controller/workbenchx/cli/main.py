"""The entry point `wbx`: global options, and how every command ends.

Exit codes: 0 done, 1 not done (also for a wrong command line), 2 `plan` found changes, 130 interrupted, 143 terminated.
"""

import errno
import gc
import io
import os
import pathlib
import sys
import tempfile
from collections.abc import Sequence

import click

import workbenchx
from workbenchx import errors
from workbenchx.cli import edges, failure, lazy, workflow

_SIGNALLED = 128


@click.command(
    cls=lazy.LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--home", metavar="PATH", help="Folder of the embedded data (WBX_HOME).")
@click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error (WBX_LOG_LEVEL).")
@click.option("--colour", "--color", metavar="WHEN", help="auto, always or never (WBX_COLOUR).")
@click.version_option(workbenchx.__version__, prog_name="wbx", message="%(prog)s %(version)s")
@click.pass_context
def wbx(
    context: click.Context, home: str | None, log_level: str | None, colour: str | None
) -> None:
    """Declare data and ML work as YAML in git, and see it become real.

    Settings, rising weight: wbx.toml, WBX_* environment variables, these options.
    """
    context.obj = {"home": home, "log_level": log_level, "colour": colour}


def main() -> None:
    """Run the command line and leave with its exit code."""
    edges.prepare()
    _prepare_streams()
    # Ten thousand documents are many long-lived objects: the default would walk them again and again.
    gc.set_threshold(50_000, 20, 20)
    # Plans are made beside the loop that talks to the database: it need not wait five milliseconds for each word.
    sys.setswitchinterval(0.0005)
    code = run(sys.argv[1:])
    gc.freeze()  # what is left goes with the process: nobody need look through it
    sys.exit(code)


def _prepare_streams() -> None:
    """What a terminal cannot show becomes a question mark; what is closed swallows."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            # The lowest free descriptor is the closed one: no socket of ours must get its number.
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "w+", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code. Whatever goes wrong is one line on stderr, never a traceback.

    Who names no command of several is shown them.
    """
    try:
        result = wbx.main(args=list(arguments), prog_name="wbx", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, click.Abort) as error:
        click.echo("wbx: interrupted", err=True)
        return edges.exit_code(error)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 1
    except Exception as error:  # noqa: BLE001 - the edge of the program: nothing may pass as a traceback
        return _report(error)
    return result if isinstance(result, int) else 0


def _report(error: Exception) -> int:
    code = 1
    error = _telling(error)
    if isinstance(error, failure.Failure):
        if error.code >= _SIGNALLED:
            click.echo("wbx: interrupted", err=True)
            return error.code
        message, hint, code = error.message, error.hint, error.code
    elif isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "wbx"
        message, hint = error.format_message(), f"{path} --help"
    elif isinstance(error, click.ClickException):
        message, hint = error.format_message(), ""
    elif isinstance(error, errors.WorkbenchError):
        message, hint = error.message, _WAYS_OUT.get(error.reason, "")
    elif isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        message, hint = f"{error.filename or 'output'}: {error.strerror}", _WAYS_OUT["DiskFull"]
    else:
        message, hint = _bug(error)
    click.echo(workflow.inert(f"wbx: error: {' '.join(message.split())}"), err=True)
    if hint:
        click.echo(f"  {hint}", err=True)
    return code


_WAYS_OUT = {
    "DatabaseUnavailable": "wbx db status shows where it is; wbx up starts the embedded one",
    "NotSignedIn": "wbx login signs in; in CI set WBX_API_TOKEN",
    "DiskFull": "free some space and run the command again; nothing recorded is lost",
    "DatabaseFull": "once there is space, run the command again; nothing recorded is lost",
    "RunNotFound": "wbx runs lists runs",
    "RunAmbiguous": "wbx runs --json shows whole ids",
    "ArtifactMissing": "wbx artifact ls lists artifacts",
    "SandboxMissing": "wbx runs lists runs",
    "NotFound": "wbx get lists what there is",
    "HomeNotWritable": "set WBX_HOME (or --home) to a folder that you may write",
}


def _telling(error: Exception) -> Exception:
    """Of errors that came together, the first that is a bug; else the first that was foreseen."""
    leaves = [error]
    while groups := [each for each in leaves if isinstance(each, ExceptionGroup)]:
        leaves = [each for each in leaves if each not in groups]
        leaves += [inner for group in groups for inner in group.exceptions]
    foreseen = (failure.Failure, errors.WorkbenchError, click.ClickException)
    return min(leaves, key=lambda each: isinstance(each, foreseen))


def _bug(error: Exception) -> tuple[str, str]:
    """Keep the trace in a file and say where it is."""
    from workbenchx.wiring import logs, settings  # noqa: PLC0415 - only a bug pays for it

    message = f"a bug in WorkbenchX: {type(error).__name__}: {error}"
    try:
        folder = settings.load().home / "logs"
    except errors.WorkbenchError:
        folder = pathlib.Path(tempfile.gettempdir())
    try:
        return message, f"the trace is in {logs.write_trace(error, folder)}"
    except OSError as problem:
        return message, f"its trace could not be written to {folder} ({problem.strerror})"


if __name__ == "__main__":
    main()
