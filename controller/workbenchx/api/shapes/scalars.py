"""Text and numbers with rules: names, quantities, digests, schedules.

Each type carries a pattern for the generated schemas and one check whose message says what would be right.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pydantic
from pydantic_core import PydanticCustomError

from workbenchx.api import quantities
from workbenchx.api.shapes import rules

LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
LABEL_RIGHT = 'a name of lower-case letters, digits and "-", at most 63, such as "churn-model"'
DIGEST = r"^[0-9a-f]{64}$"
IMAGE = r"^[a-z0-9]([-a-zA-Z0-9._:/]{0,400}[a-zA-Z0-9])?@sha256:[0-9a-f]{64}$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]{0,127}$"
VARIABLE_RIGHT = 'a variable name of letters, digits and "_", such as "LOG_LEVEL"'
SETTING = r"^[A-Za-z][A-Za-z0-9_]{0,63}$"
SETTING_RIGHT = 'a setting name of letters, digits and "_", such as "region"'
KEYS = {VARIABLE: VARIABLE_RIGHT, SETTING: SETTING_RIGHT}
"""What the keys of mappings may be, by their patterns."""
FILE_NAME = r"^[A-Za-z0-9][-A-Za-z0-9._]{0,62}$"
REFERENCE = r"^[A-Z][A-Za-z]{1,30}/[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
INPUT_FROM = (
    r"^((Dataset|Model)/[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
    r"|(RunnerJob|Experiment)/[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[A-Za-z0-9][-A-Za-z0-9._]{0,62})$"
)
FROM_RUN = (
    r"^(best\(Experiment/[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\)"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$"
)
PATH_RIGHT = 'a path inside its folder such as "data/table.csv", without ".."'
RELATIVE_PATH = r"^[^/\x00-\x1f\\][^\x00-\x1f\\]*$"
USER = (
    r"^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|[^@\x00-\x20]{1,64}@[^@\x00-\x20.]+(\.[^@\x00-\x20.]+)+)$"
)
MOST_USD = 99_999_999


def refuse(type_: str, value: object, right: str, *, quote: bool = True) -> PydanticCustomError:
    """The error for a value: `right` says what would be right; the value is quoted unless it may hold a secret."""
    if not quote:
        return PydanticCustomError(type_, "must be {right}", {"right": right})
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    return PydanticCustomError(
        type_, "must be {right}, not {shown}", {"right": right, "shown": shown}
    )


def _matching(
    type_: str, pattern: str, right: str, longest: int, *, quote: bool
) -> Callable[[str], str]:
    match = re.compile(pattern.removesuffix("$").removeprefix("^")).fullmatch

    def check(value: str) -> str:
        if len(value) > longest:
            raise refuse(type_, value, f"{right}, at most {longest} characters", quote=quote)
        if not match(value):
            raise refuse(type_, value, right, quote=quote)
        return value

    return check


def text(
    type_: str, pattern: str, right: str, longest: int, *, quote: bool = True
) -> tuple[Any, Any]:
    """The metadata of a text type: its check, and its schema with the same pattern (RE2 and ECMA 262 both).

    `quote` False: the message does not repeat the value, because people paste secrets there.
    """
    schema = {"type": "string", "pattern": pattern, "maxLength": longest}
    check = _matching(type_, pattern, right, longest, quote=quote)
    told = schema | {rules.HINT: f"must be {right}"}
    return pydantic.AfterValidator(check), pydantic.WithJsonSchema(told)


def _duration(value: str) -> str:
    try:
        quantities.duration(value)
    except ValueError:
        raise refuse("duration", value, quantities.DURATION_RIGHT) from None
    return value


def _cpu(value: Any) -> Any:
    if not isinstance(value, int | str):
        raise refuse("cpu", value, quantities.CPU_RIGHT)
    try:
        quantities.cpu(value)
    except ValueError:
        raise refuse("cpu", value, quantities.CPU_RIGHT) from None
    return value


def _money(value: float) -> float:
    try:
        amount = quantities.money(value)
    except ValueError:
        raise refuse("money", value, "an amount of USD, 0 or more") from None
    if amount > MOST_USD:
        raise refuse("money", value, f"an amount of USD, at most {MOST_USD}")
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -6:
        raise refuse("money", value, "an amount of USD with at most 6 decimal places")
    return value


_relative = re.compile(RELATIVE_PATH).fullmatch


def _path(value: str) -> str:
    if len(value) > 512 or not _relative(value) or ".." in value.split("/"):
        raise refuse("path", value, PATH_RIGHT)
    return value


def _of(check: Callable[[str], str], longest: int, **more: Any) -> tuple[Any, Any]:
    schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": longest, **more}
    return pydantic.AfterValidator(check), pydantic.WithJsonSchema(schema)


Name = Annotated[str, *text("name", LABEL, LABEL_RIGHT, 63)]
Alias = Annotated[
    str,
    *text(
        "alias",
        r"^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$",
        'an alias of lower-case letters, digits, "-" and ".", such as "churn.v2"',
        63,
    ),
]
FileName = Annotated[
    str,
    *text(
        "file_name", FILE_NAME, 'a file name of letters, digits, ".", "_" and "-", at most 63', 63
    ),
]
Variable = Annotated[str, *text("variable", VARIABLE, VARIABLE_RIGHT, 128)]
SettingName = Annotated[str, *text("setting_name", SETTING, SETTING_RIGHT, 64)]
Sha256 = Annotated[str, *text("sha256", DIGEST, "64 lower-case hex digits", 64)]
Version = Annotated[
    str,
    *text(
        "version",
        r"^[A-Za-z0-9][-A-Za-z0-9._+]{0,62}$",
        'a version such as "1", "v2" or "2025.1"',
        63,
    ),
]
Image = Annotated[str, *text("image", IMAGE, "pinned: name@sha256:<64 hex>", 512)]
Reference = Annotated[
    str, *text("reference", REFERENCE, 'Kind/name such as "RunnerJob/ingest"', 128)
]
InputFrom = Annotated[
    str,
    *text(
        "input_from",
        INPUT_FROM,
        "Dataset/<name>, Model/<name>, RunnerJob/<name>/<output> or Experiment/<name>/<output>",
        256,
    ),
]
FromRun = Annotated[str, *text("from_run", FROM_RUN, "a run id or best(Experiment/<name>)", 128)]
Duration = Annotated[
    str,
    *_of(
        _duration,
        40,
        pattern=quantities.DURATION_PATTERN,
        **{rules.HINT: f"must be {quantities.DURATION_RIGHT}"},
    ),
]
Memory = Annotated[str, *text("memory", quantities.MEMORY_PATTERN, quantities.MEMORY_RIGHT, 20)]
Cpu = Annotated[
    int | str,
    pydantic.PlainValidator(_cpu),
    pydantic.WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 9999},
                {"type": "string", "pattern": quantities.CPU_PATTERN, "maxLength": 10},
            ],
            rules.HINT: f"must be {quantities.CPU_RIGHT}",
        }
    ),
]
Money = Annotated[
    float,
    pydantic.AfterValidator(_money),
    pydantic.WithJsonSchema(
        {
            "type": "number",
            "minimum": 0,
            "maximum": MOST_USD,
            # Division rounds as reading a decimal does, so this is exact.
            **rules.cel(
                "double(int(self * 1000000.0 + 0.5)) / 1000000.0 == self",
                "must be an amount of USD with at most 6 decimal places",
            ),
        }
    ),
]
User = Annotated[str, *text("user", USER, "the uuid or the verified e-mail address of a user", 254)]
RelativePath = Annotated[
    str,
    *_of(
        _path,
        512,
        pattern=RELATIVE_PATH,
        **{rules.HINT: f"must be {PATH_RIGHT}"},
        **rules.cel("!self.matches('(^|/)[.][.](/|$)')", f"must be {PATH_RIGHT}"),
    ),
]
Port = Annotated[int, pydantic.Field(ge=1, le=65535)]
Percent = Annotated[int, pydantic.Field(ge=0, le=100)]
Count = Annotated[int, pydantic.Field(ge=0, le=1_000_000)]
Weekday = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
Text = Annotated[str, pydantic.Field(min_length=1, max_length=2000)]
Command = Annotated[
    list[Annotated[str, pydantic.Field(max_length=8192)]],
    pydantic.Field(min_length=1, max_length=256),
]
