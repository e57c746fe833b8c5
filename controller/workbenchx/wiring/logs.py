"""The program's own log: one JSON object a line in `WBX_HOME/logs/wbx.log`, and a short line on stderr.

Output of users' programs never comes here (`ops.log_chunks`); neither does a secret.
"""

import datetime
import json
import logging
import logging.handlers
import pathlib
import sys
import traceback

_FILE_BYTES = 8 * 1024 * 1024
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}


class JsonLines(logging.Formatter):
    """One record, one line: time, level, logger, message, and the trace if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line of JSON."""
        line = {
            "at": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class ShortLines(logging.Formatter):
    """What a person sees on stderr: `wbx: warning: message`, never a trace."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one short line."""
        line = f"wbx: {record.levelname.lower()}: {record.getMessage()}"
        error = record.exc_info[1] if record.exc_info else None
        return line if error is None else f"{line}: {type(error).__name__}: {error}"


def configure(level: str, folder: pathlib.Path | None) -> None:
    """Send our lines to stderr from `level` on, and all from info on to `folder`/wbx.log (None: no file).

    What libraries log goes to the file alone.
    """
    # A log that cannot be written is no reason for a trace on the screen.
    logging.raiseExceptions = False
    ours, everything = logging.getLogger("workbenchx"), logging.getLogger()
    for logger in (ours, everything):
        for handler in [each for each in logger.handlers if isinstance(each.formatter, _OURS)]:
            logger.removeHandler(handler)
            handler.close()
    ours.setLevel(min(logging.INFO, _LEVELS.get(level, logging.ERROR)))
    screen = logging.StreamHandler(sys.stderr)
    screen.setLevel(_LEVELS.get(level, logging.ERROR))
    screen.setFormatter(ShortLines())
    ours.addHandler(screen)
    kept: logging.Handler = _file(folder) if folder is not None else logging.NullHandler()
    kept.setFormatter(JsonLines())
    everything.addHandler(kept)


_OURS = (JsonLines, ShortLines)


def _file(folder: pathlib.Path) -> logging.Handler:
    return logging.handlers.RotatingFileHandler(
        folder / "wbx.log", maxBytes=_FILE_BYTES, backupCount=1, encoding="utf-8", delay=True
    )


def write_trace(error: BaseException, folder: pathlib.Path) -> pathlib.Path:
    """Write the trace of a bug to a file of its own; its path."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S.%f")
    path = folder / f"bug-{stamp}.txt"
    path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return path
