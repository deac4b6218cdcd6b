# SPDX-License-Identifier: BSD-2-Clause
"""A CA of the lab's own, a server certificate by it, and a stranger's CA to be refused."""
import datetime
import ipaddress
import os
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def _certificate(subject, key, issuer, issuer_key, extensions):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer_key, hashes.SHA256())


def _authority(name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    certificate = _certificate(
        subject, key, subject, key, [
            (x509.BasicConstraints(ca=True, path_length=0), True), (usage, True)
        ]
    )
    return subject, key, certificate


def _write(path, *parts):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    with os.fdopen(descriptor, "wb") as stream:
        for part in parts:
            stream.write(part)


def make(directory, region):
    """Writes ca.pem and other-ca.pem below DIRECTORY; returns the server's ssl.SSLContext. Its name is
    also EC2's own in REGION, for machines that are led here by it (tests/vm).

    The server's key is never left on disk: it passes through a file of mode 600 that is removed."""
    subject, authority_key, authority = _authority("Stillpoint lab CA")
    _, _, stranger = _authority("Stillpoint lab, another CA")
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName(
        [
            x509.DNSName("localhost"),
            x509.DNSName(f"ec2.{region}.amazonaws.com"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
    )
    certificate = _certificate(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]),
        key,
        subject,
        authority_key,
        [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (names, False),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        ],
    )
    pem = serialization.Encoding.PEM
    _write(os.path.join(directory, "ca.pem"), authority.public_bytes(pem))
    _write(os.path.join(directory, "other-ca.pem"), stranger.public_bytes(pem))
    secret = os.path.join(directory, "server.key")
    descriptor = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(
            key.private_bytes(
                pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        stream.write(certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(secret)
    os.unlink(secret)
    return context
