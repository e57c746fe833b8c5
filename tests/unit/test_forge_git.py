"""What git complains of: whether time alone may mend it."""

import pytest

from workbenchx.forge import git


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("fatal: unable to access 'https://a/b/': The requested URL returned error: 502", True),
        ("remote: 503 Service Unavailable\nfatal: the remote end hung up", True),
        ("ssh: connect to host a port 22: Connection timed out", True),
        ("fatal: Not a valid object name 6b0a6e752ff6503ad2d5604efc45736da9e6f110^{commit}", False),
        ("git@a: Permission denied (publickey).\nConnection closed by a", False),
    ],
)
def test_whether_it_passes(said: str, expected: bool) -> None:
    """A server that is away is waited for; a name that happens to hold 503 is not."""
    assert git.passes(said) is expected
