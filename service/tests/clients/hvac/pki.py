"""Keys and certificates for tests; `python pki.py DIRECTORY` writes what a TLS listener needs there.

    server.pem, server.key   the listener's certificate for 127.0.0.1 and localhost, and its key
    server-ca.pem            the CA of that certificate, for clients
"""

import datetime
import ipaddress
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOUR = datetime.timedelta(hours=1)


def private_pem(key):
    """A private key as PKCS#8."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def public_pem(key):
    """The public half of a private key."""
    return (
        key.public_key()
        .public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        .decode()
    )


class Certificate:
    """A certificate with its key, issued by itself or by another one."""

    def __init__(self, name, issuer=None, is_ca=False, key=None, age=HOUR, lasts=HOUR, **more):
        now = datetime.datetime.now(datetime.timezone.utc)
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        parts = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        parts += [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)
            for unit in more.get("units", ())
        ]
        self.subject = x509.Name(parts)
        signer = issuer or self
        constraint = x509.BasicConstraints(ca=is_ca, path_length=None)
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(signer.subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - age)
            .not_valid_after(now + lasts)
            .add_extension(constraint, critical=True)
            .add_extension(key_usage(is_ca), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()),
                critical=False,
            )
        )
        if more.get("sans"):
            builder = builder.add_extension(
                x509.SubjectAlternativeName(more["sans"]), critical=False
            )
        if not is_ca:
            usage = more.get("usage", ExtendedKeyUsageOID.CLIENT_AUTH)
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        self.certificate = builder.sign(signer.key, hashes.SHA256())

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def write(self, directory, name):
        """Writes `NAME.pem` and `NAME.key`, and gives both paths."""
        certificate = pathlib.Path(directory, f"{name}.pem")
        key = pathlib.Path(directory, f"{name}.key")
        certificate.write_text(self.pem)
        key.write_text(private_pem(self.key))
        key.chmod(0o600)
        return str(certificate), str(key)


def key_usage(is_ca):
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=None,
        decipher_only=None,
    )


def on_this_machine(ca, name="server"):
    """A server's certificate for this machine, issued by this CA."""
    sans = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    return Certificate(name, ca, sans=sans, usage=ExtendedKeyUsageOID.SERVER_AUTH)


def main():
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    ca = Certificate("Test CA of servers", is_ca=True)
    (directory / "server-ca.pem").write_text(ca.pem)
    on_this_machine(ca).write(directory, "server")


if __name__ == "__main__":
    main()
