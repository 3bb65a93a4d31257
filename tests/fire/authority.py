"""A certificate authority for tests, and what it and impostors sign. No network, no clock games."""

import datetime as dt
import ssl
from pathlib import Path

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = dt.timedelta(days=1)
_PEM = serialization.Encoding.PEM


@frozen
class _Signer:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class Authority:
    """Signs certificates of servers; `path` is the file to trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._signer = _signed("test authority", None, ca=True)
        self.path = str(folder / "authority.pem")
        Path(self.path).write_bytes(self._signer.certificate.public_bytes(_PEM))

    def server_context(
        self, *hosts: str, days: int = 1, self_signed: bool = False
    ) -> ssl.SSLContext:
        """Return a server's context with a certificate for these hosts, over for negative days."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server_file(*hosts, days=days, self_signed=self_signed))
        return context

    def server_file(self, *hosts: str, days: int = 1, self_signed: bool = False) -> Path:
        """Return a file with such a certificate and its key."""
        by = None if self_signed else self._signer
        leaf = _signed("test server", by, hosts=hosts, days=days)
        path = self._folder / f"{leaf.certificate.serial_number:x}.pem"
        key = leaf.key.private_bytes(
            _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(leaf.certificate.public_bytes(_PEM) + key)
        return path


def _signed(
    name: str, by: _Signer | None, *, hosts: tuple[str, ...] = (), days: int = 1, ca: bool = False
) -> _Signer:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    end = dt.datetime.now(dt.UTC) + days * _DAY
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - 10 * _DAY)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        # Python 3.13 verifies strictly after RFC 5280, which asks for all three.
        .add_extension(key_usage(ca=ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(
                (by.key if by else key).public_key()
            ),
            critical=False,
        )
    )
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return _Signer(builder.sign(by.key if by else key, hashes.SHA256()), key)


def key_usage(*, ca: bool) -> x509.KeyUsage:
    no = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return x509.KeyUsage(digital_signature=True, key_cert_sign=ca, crl_sign=ca, **no)
