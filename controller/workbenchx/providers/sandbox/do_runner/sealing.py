"""Sealing the environment of a command for one machine (CMS, RFC 5652): what only the key made there can open."""

import base64
import json
from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.serialization import pkcs7

from workbenchx import errors


def seal(environment: Mapping[str, str], certificate: str) -> str:
    """The sealed environment, as text.

    Raises:
        errors.Stalled: reason SandboxUnavailable: the machine showed no certificate that can be sealed for.
    """
    try:
        made = (
            pkcs7.PKCS7EnvelopeBuilder()
            .set_data(json.dumps(dict(environment)).encode())
            .set_content_encryption_algorithm(algorithms.AES256)
            .add_recipient(x509.load_pem_x509_certificate(certificate.encode("ascii")))
        )
        sealed = made.encrypt(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])
    except (ValueError, TypeError) as problem:
        raise errors.Stalled(
            f"do_runner: the machine's certificate cannot be used: {problem}",
            reason="SandboxUnavailable",
        ) from problem
    return base64.b64encode(sealed).decode("ascii")
