"""Private keys of certificates, as values: which kinds there are, and which are strong enough.

1. They are made on this machine and written by the vault only; what travels is a request (`issuing.make_request`).
2. Keys too weak to be believed for years are not made, and not certified for others (`strong_enough`).
"""

from __future__ import annotations

from typing import Final, Literal, get_args

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from cert_exchange.errors import ConfigurationInvalid

Algorithm = Literal["ec-p256", "ec-p384", "ed25519", "rsa-3072"]
"""ec-p256 is understood by every TLS library; some clients know no ed25519 certificates."""
ALGORITHMS: Final[tuple[Algorithm, ...]] = get_args(Algorithm)
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
_RSA_BITS: Final = 3072
_LEAST_RSA_BITS: Final = 2048
_LEAST_CURVE_BITS: Final = 256


def new_key(algorithm: Algorithm) -> PrivateKey:
    """Make a key."""
    match algorithm:
        case "ec-p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "ec-p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "rsa-3072":
            return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)


def digest_of(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | None:
    """What a signature with this key hashes with; Ed25519 has its own."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size > _LEAST_CURVE_BITS:
        return hashes.SHA384()
    return hashes.SHA256()


def strong_enough(key: CertificatePublicKeyTypes) -> bool:
    """Whether we certify or believe such a key: RSA from 2048 bits, curves from 256, Ed25519."""
    match key:
        case rsa.RSAPublicKey():
            return key.key_size >= _LEAST_RSA_BITS
        case ec.EllipticCurvePublicKey():
            return key.curve.key_size >= _LEAST_CURVE_BITS
        case _:
            return isinstance(key, ed25519.Ed25519PublicKey)


def key_pem(key: PrivateKey) -> bytes:
    """A key in PEM without a password: for a place that seals it, or that only its owner reads."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def read_key(raw: bytes, *, what: str) -> PrivateKey:
    """Read a key in PEM. Raises ConfigurationInvalid: unreadable, with a password, of another kind."""
    try:
        key = serialization.load_pem_private_key(raw, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationInvalid(
            f"{what} is no private key in PEM without a password ({type(error).__name__})."
        ) from None
    if not isinstance(
        key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
    ):
        raise ConfigurationInvalid(
            f"{what} is a key of another kind; there are {', '.join(ALGORITHMS)}."
        )
    return key


def same_key(one: CertificatePublicKeyTypes, other: PrivateKey) -> bool:
    """Whether a public key belongs to a private one."""
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return one.public_bytes(*form) == other.public_key().public_bytes(*form)
