"""Certificates and tokens of a test cluster: made anew for each, worth nothing elsewhere."""

import datetime
import ipaddress
import pathlib
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)


class Authority:
    """A certificate authority whose files lie in `folder`: ca.crt, and <name>.crt and <name>.key of whom it certifies."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("workbenchx-test")
        made = (
            _builder(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = folder / "ca.crt"
        self.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def certify(
        self, file: str, user: str, *, group: str = "", hosts: tuple[str, ...] = ()
    ) -> None:
        """A key and a certificate, for a client (`user` in `group`) and for a server at `hosts`."""
        key = ec.generate_private_key(ec.SECP256R1())
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        builder = _builder(_named(user, group), self._name, key.public_key())
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        if hosts:
            names = [_host(host) for host in hosts]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        made = builder.sign(self._key, hashes.SHA256())
        (self.folder / f"{file}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        write_key(self.folder / f"{file}.key", key)


def write_key(path: pathlib.Path, key: ec.EllipticCurvePrivateKey | None = None) -> None:
    """A private key, this one or a new one, that only we may read."""
    path.touch(mode=0o600)
    path.write_bytes(
        (key or ec.generate_private_key(ec.SECP256R1())).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )


def write_tokens(path: pathlib.Path, users: dict[str, tuple[str, str]]) -> dict[str, str]:
    """The token file of an API server: for each name its user and group. The token of each name."""
    tokens = {name: secrets.token_urlsafe(24) for name in users}
    path.touch(mode=0o600)
    path.write_text(
        "".join(
            f'{tokens[name]},{user},{name},"{group}"\n' for name, (user, group) in users.items()
        )
    )
    return tokens


def _named(common: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organization:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 30 * _DAY)
    )
