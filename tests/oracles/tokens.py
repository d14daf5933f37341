"""Tokens as text, so that every trap can be written down: doubled names, odd spellings, wrong keys."""

import base64
import copy
import functools
import hashlib
import json
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

POOL = "us-east-1_Ab3dEfGhI"
CLIENTS = ["1example23456789", "2example23456789"]
SUBJECT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


def issuer(pool=POOL, form="cognito-idp"):
    """One of the two issuer forms that AWS gives a pool."""
    return f"https://{form}.{pool.split('_')[0]}.amazonaws.com/{pool}"


def encode(data):
    """Base64url without padding."""
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size=None):
    """A Base64urlUInt, in `size` bytes if given."""
    return encode(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


class Key:
    """A key pair under a name; made once a run."""

    def __init__(self, kid, bits=2048, exponent=65537, **jwk):
        self.kid = kid
        self.extra = jwk
        self.pair = rsa.generate_private_key(public_exponent=exponent, key_size=bits)

    @functools.cached_property
    def public(self):
        return self.pair.public_key().public_numbers()

    def jwk(self):
        """The member of a key set; a member of `extra` that is None is left out."""
        jwk = {"kid": self.kid, "alg": "RS256", "kty": "RSA", "e": number(self.public.e),
               "n": number(self.public.n), "use": "sig"} | self.extra
        return {name: value for name, value in jwk.items() if value is not None}

    def sign(self, message, scheme="RS256"):
        if scheme == "RAW":
            return self.raise_to_secret(message)
        digest = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}[scheme[2:]]()
        pad = padding.PKCS1v15() if scheme[:2] == "RS" else padding.PSS(
            padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
        return self.pair.sign(message, pad, digest)

    def raise_to_secret(self, block):
        """RSA's bare operation on a block that the caller has padded, rightly or not."""
        size = (self.public.n.bit_length() + 7) // 8
        secret = self.pair.private_numbers().d
        return pow(int.from_bytes(block, "big"), secret, self.public.n).to_bytes(size, "big")


class EcKey:
    """A P-256 key pair under a name."""

    def __init__(self, kid, **jwk):
        self.kid = kid
        self.extra = jwk
        self.pair = ec.generate_private_key(ec.SECP256R1())

    def jwk(self):
        public = self.pair.public_key().public_numbers()
        return {"kid": self.kid, "alg": "ES256", "kty": "EC", "crv": "P-256", "use": "sig",
                "x": number(public.x, 32), "y": number(public.y, 32)} | self.extra

    def sign(self, message, _scheme="ES256"):
        r, s = decode_dss_signature(self.pair.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def block(message, info=SHA256_INFO, start=b"\0\1", fill=b"\xff", after=b"", size=256):
    """The padded block of PKCS #1 v1.5, or one with a fault."""
    end = b"\0" + info + hashlib.sha256(message).digest() + after
    return start + fill * (size - len(start) - len(end)) + end


class Token:
    """Header and payload as lists of (name, value), both JSON texts; every change is a copy."""

    def __init__(self, key, header, payload):
        self.key = key
        self.head = header
        self.body = payload
        self.scheme = "RS256"
        self.texts = {}

    def changed(self):
        other = copy.copy(self)
        other.head, other.body, other.texts = list(self.head), list(self.body), dict(self.texts)
        return other

    @staticmethod
    def _put(members, name, value):
        quoted = json.dumps(name)
        kept = [(n, value if n == quoted else v) for n, v in members]
        return kept if any(n == quoted for n, _ in members) else [*kept, (quoted, value)]

    def header(self, name, value):
        """Sets a header to a Python value."""
        return self.header_text(name, json.dumps(value))

    def header_text(self, name, text):
        """Sets a header to a JSON text."""
        other = self.changed()
        other.head = self._put(other.head, name, text)
        return other

    def claim(self, name, value):
        """Sets a claim to a Python value."""
        return self.claim_text(name, json.dumps(value))

    def claim_text(self, name, text):
        """Sets a claim to a JSON text."""
        other = self.changed()
        other.body = self._put(other.body, name, text)
        return other

    def without(self, *names):
        """Removes claims."""
        other = self.changed()
        other.body = [(n, v) for n, v in other.body if json.loads(n) not in names]
        return other

    def without_header(self, *names):
        """Removes headers."""
        other = self.changed()
        other.head = [(n, v) for n, v in other.head if json.loads(n) not in names]
        return other

    def and_header(self, quoted, text, first=False):
        """Adds a header that may be there already; both are JSON texts."""
        other = self.changed()
        other.head = [(quoted, text), *other.head] if first else [*other.head, (quoted, text)]
        return other

    def and_claim(self, quoted, text, first=False):
        """Adds a claim that may be there already; both are JSON texts."""
        other = self.changed()
        other.body = [(quoted, text), *other.body] if first else [*other.body, (quoted, text)]
        return other

    def by(self, key, kid=None):
        """Signed by another key, under its name or `kid`."""
        other = self.header("kid", kid if kid is not None else key.kid)
        other.key = key
        return other

    def signed_as(self, alg, scheme=None):
        """Another `alg`, and a signature of that or another scheme."""
        other = self.header("alg", alg)
        other.scheme = scheme or alg
        return other

    def with_text(self, **texts):
        """`header` or `payload` replaced by this text or these bytes before encoding."""
        other = self.changed()
        other.texts.update(texts)
        return other

    def text_of(self, part):
        members = self.head if part == "header" else self.body
        return self.texts.get(part, "{" + ",".join(f"{n}:{v}" for n, v in members) + "}")

    def parts(self):
        """Header and payload, encoded."""
        return encode(self.text_of("header")), encode(self.text_of("payload"))

    def spell(self, respell=None, resign=None):
        """The compact form. `respell` changes the encoded parts before they are signed, `resign`
        makes the bytes of the signature from the signed text."""
        header, payload = self.parts()
        if respell:
            header, payload = respell(header, payload)
        signed = f"{header}.{payload}"
        signature = resign(signed.encode()) if resign else self.key.sign(
            signed.encode(), self.scheme)
        return f"{signed}.{encode(signature)}"


def loosened(part, step=1):
    """The same part with other unused bits in its last character; None if it has no such bits."""
    unused = {2: 4, 3: 2}.get(len(part) % 4)
    if unused is None:
        return None
    value = ALPHABET.index(part[-1])
    return part[:-1] + ALPHABET[value ^ (1 + step % ((1 << unused) - 1))]


def members(claims):
    return [(json.dumps(name), json.dumps(value)) for name, value in claims.items()]


def access_token(key, pool=POOL, now=None):
    """A good access token, as Cognito makes them."""
    now = now or int(time.time())
    return Token(key, members({"kid": key.kid, "alg": "RS256"}), members({
        "sub": SUBJECT, "cognito:groups": ["staff", "admins"], "iss": issuer(pool), "version": 2,
        "client_id": CLIENTS[0], "origin_jti": "33333333-4444-5555-6666-777777777777",
        "event_id": "88888888-9999-aaaa-bbbb-cccccccccccc", "token_use": "access",
        "scope": "openid orders/read profile", "auth_time": now - 5, "exp": now + 3600,
        "iat": now - 5, "jti": "11111111-2222-3333-4444-555555555555", "username": "alice",
    }))


def id_token(key, pool=POOL, now=None):
    """A good ID token, as Cognito makes them."""
    now = now or int(time.time())
    return Token(key, members({"kid": key.kid, "alg": "RS256"}), members({
        "at_hash": "XYZ_abc-123", "sub": SUBJECT, "cognito:groups": ["staff", "admins"],
        "email_verified": True, "iss": issuer(pool), "cognito:username": "alice",
        "origin_jti": "33333333-4444-5555-6666-777777777777", "aud": CLIENTS[0],
        "event_id": "88888888-9999-aaaa-bbbb-cccccccccccc", "token_use": "id",
        "auth_time": now - 5, "exp": now + 3600, "iat": now - 5,
        "jti": "11111111-2222-3333-4444-555555555555", "email": "alice@example.com",
    }))


def machine_token(key, pool=POOL, now=None):
    """A good access token of client credentials: no user."""
    now = now or int(time.time())
    return Token(key, members({"kid": key.kid, "alg": "RS256"}), members({
        "sub": CLIENTS[0], "token_use": "access", "scope": "orders/read", "auth_time": now - 5,
        "iss": issuer(pool), "exp": now + 3600, "iat": now - 5, "version": 2,
        "jti": "11111111-2222-3333-4444-555555555555", "client_id": CLIENTS[0],
    }))
