"""Which names say that a value is a secret: one list for files, for the API server and for what is shown."""

import re

from workbenchx.api.shapes import rules

NAMES = (
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "apikey",
    "privatekey",
    "accesskey",
    "secretkey",
    "accesskeyid",
    "credential",
    "credentials",
)
HINT = "refer to it: secretRef for a variable, env or file for a provider's credential"
_SEPARATORS = re.compile(r"[-_. ]")

NO_SECRET_VALUE = rules.cel(
    "!has(self.value) || self.value == '' || self.value.startsWith('${')"
    f" || !self.name.replace('_', '').lowerAscii().matches('({'|'.join(NAMES)})$')",
    f"holds a secret ({HINT})",
    field=".value",
)
"""Of a variable with `name` and `value`. The shapes of well-known tokens are looked for in files only: too dear a rule."""


def names_secret(name: str) -> bool:
    """Whether a field or variable of this name holds a secret (API_KEY, dbPassword; not tokenUrl, PASSWORD_FILE)."""
    return _SEPARATORS.sub("", name.lower()).endswith(NAMES)
