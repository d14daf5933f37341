"""The pools, the rules and the tokens that were thought of: each trap of JWTs and of Cognito's own
tokens, with what both verifiers are expected to say."""

import dataclasses
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tokens import (
    CLIENTS, POOL, SHA256_INFO, EcKey, Key, access_token, block, encode, id_token, issuer,
    loosened, machine_token, number,
)

ACCEPTED, REFUSED = "accepted by both", "refused by both"


@dataclasses.dataclass(frozen=True)
class Stricter:
    """Accepted by AWS's verifier, refused by the gateway for this point of stricter.py."""

    point: str


@dataclasses.dataclass
class Case:
    rule: str
    name: str
    token: str
    expected: object = None
    #: Points that the token offends by its key, which its text does not show.
    points: tuple = ()


@dataclasses.dataclass
class Pool:
    pool_id: str
    keys: list
    skew: int = 0
    clients: list = dataclasses.field(default_factory=lambda: CLIENTS)

    @property
    def jwks(self):
        return {"keys": [key if isinstance(key, dict) else key.jwk() for key in self.keys]}


@dataclasses.dataclass
class Rule:
    """The same question to both."""

    gateway: dict
    reference: dict


ACCESS, ID = Key("access-key+/="), Key("id-key")
OTHER, STRANGER = Key("other-pool-key"), Key("attacker")
# One name in two pools, two keys.
SHARED_MAIN, SHARED_OTHER = Key("shared"), Key("shared")
BARE = Key("bare", use=None, alg=None)
ODD = {
    "bare": BARE,
    "verify": Key("verify", key_ops=["verify"]),
    "encrypt": Key("encrypt", key_ops=["encrypt"]),
    "no-ops": Key("no-ops", key_ops=[]),
    "enc": Key("enc", use="enc"),
    "rs512": Key("rs512", alg="RS512"),
    "small": Key("small", bits=1024),
    "three": Key("three", exponent=3),
    "large": Key("large", bits=4096),
    "extra": Key("extra", x5t="abc", unknown={"a": [1]}),
    "empty-name": Key(""),
    "ec": EcKey("ec"),
    "no-modulus": Key("no-modulus", n=None),
    "no-exponent": Key("no-exponent", e=None),
    "leading-zero": Key("leading-zero"),
}
ODD["leading-zero"].extra["n"] = encode(b"\0" + ODD["leading-zero"].public.n.to_bytes(256, "big"))
SECRET = {"kid": "secret", "kty": "oct", "k": encode(b"k" * 32), "alg": "HS256", "use": "sig"}

OTHER_POOL, GRACE_POOL, ODD_POOL = "us-east-1_Other0001", "us-east-1_Grace0001", "eu-west-3_OddKeys01"
POOLS = {
    "main": Pool(POOL, [ACCESS, ID, SHARED_MAIN]),
    "other": Pool(OTHER_POOL, [OTHER, SHARED_OTHER]),
    "grace": Pool(GRACE_POOL, [ACCESS], skew=60),
    "odd": Pool(ODD_POOL, [*ODD.values(), SECRET]),
}


def rule(pools, use="access", **demands):
    gateway = {"user_pools": pools, "token_use": use} | {
        {"scope": "scopes"}.get(name, name): value for name, value in demands.items()}
    return Rule(gateway, {"tokenUse": None if use == "any" else use} | demands)


RULES = {
    "access": rule(["main"]),
    "id": rule(["main"], use="id"),
    "any": rule(["main"], use="any"),
    "scoped": rule(["main"], scope=["orders/read", "orders/write"]),
    "grouped": rule(["main"], groups=["admins", "root"]),
    "two": rule(["main", "other"]),
    "grace": rule(["grace"]),
    "odd": rule(["odd"]),
}

#: JSON values that a claim may hold instead of what it should.
VALUES = ["null", "true", "false", "0", "-1", "1.5", '""', '"x"', "[]", '["x"]', "[1]", "{}",
          '{"x":1}', "[[]]"]


def written():
    """Every case that was thought of."""
    now = int(time.time())
    groups = [good, shape, spelling, headers, algorithms, signatures, keys, issuers, times, uses,
              clients, texts, scopes, groups_of_users, json_texts, sizes, wrong_types]
    return [case for group in groups for case in group(now)]


def good(now):
    token = access_token(ACCESS, now=now)
    yield Case("access", "a good access token", token.spell(), ACCEPTED)
    yield Case("any", "a good access token", token.spell(), ACCEPTED)
    yield Case("access", "a good machine token", machine_token(ACCESS, now=now).spell(), ACCEPTED)
    yield Case("id", "a good ID token", id_token(ID, now=now).spell(), ACCEPTED)
    yield Case("any", "a good ID token", id_token(ID, now=now).spell(), ACCEPTED)
    yield Case("two", "a good token of the second pool",
               access_token(OTHER, OTHER_POOL, now).spell(), ACCEPTED)
    yield Case("grace", "a good token", access_token(ACCESS, GRACE_POOL, now).spell(), ACCEPTED)
    yield Case("odd", "a good token", access_token(BARE, ODD_POOL, now).spell(), ACCEPTED)
    for name in ("scoped", "grouped", "two"):
        yield Case(name, "a good access token", token.spell(), ACCEPTED)
    yield Case("access", "signed by the pool's other key", token.by(ID).spell(), ACCEPTED)
    yield Case("access", "with the issuer's newer form",
               token.claim("iss", issuer(form="issuer-cognito-idp")).spell(), ACCEPTED)
    yield Case("access", "of the second client", token.claim("client_id", CLIENTS[1]).spell(),
               ACCEPTED)


def shape(now):
    whole = access_token(ACCESS, now=now).spell()
    header, payload, signature = whole.split(".")
    for name, text in {
        "no dot": "abc", "one dot": f"{header}.{payload}", "no signature": f"{header}.{payload}.",
        "no payload": f"{header}..{signature}", "no header": f".{payload}.{signature}",
        "only dots": "..", "three dots": "...", "leading dot": "." + whole,
        "trailing dot": whole + ".", "four parts": f"{whole}.{signature}",
        "five parts, as of a JWE": f"{header}.{signature}.{signature}.{payload}.{signature}",
        "parts in another order": f"{payload}.{header}.{signature}",
        "header twice": f"{header}.{header}.{signature}",
        "token twice": whole + whole, "two tokens and a comma": f"{whole},{whole}",
        "two tokens and a space": f"{whole} {whole}", "a second Bearer": "Bearer " + whole,
        "quotes": f'"{whole}"', "one dot is a colon": whole.replace(".", ":", 1),
        "commas for dots": whole.replace(".", ","), "one character": "a",
        "percent-encoded dots": whole.replace(".", "%2E"),
    }.items():
        yield Case("access", name, text, REFUSED)


def spelling(now):
    token = access_token(ACCESS, now=now)
    whole = token.spell()
    names = ("header", "payload", "signature")
    for index, part in enumerate(names):
        for many in (1, 2):
            pieces = whole.split(".")
            pieces[index] += "=" * many
            if part == "signature":
                padded = ".".join(pieces)
            else:
                padded = token.spell(lambda h, p, i=index, m=many: tuple(
                    text + "=" * m * (n == i) for n, text in enumerate((h, p))))
            yield Case("access", f"{many} = behind the {part}", padded, Stricter("8"))
    for step in range(3):
        pieces = whole.split(".")
        pieces[2] = loosened(pieces[2], step)
        yield Case("access", f"unused bits of the signature, {step}", ".".join(pieces),
                   Stricter("9"))
    for name, member in (("header", "header"), ("payload", "claim")):
        filled = next(longer for longer in (getattr(token, member)("f", "f" * n) for n in range(3))
                      if loosened(longer.parts()[names.index(name)]))
        spelled = filled.spell(lambda h, p, n=name: (
            loosened(h) if n == "header" else h, loosened(p) if n == "payload" else p))
        yield Case("access", f"unused bits of the {name}", spelled, Stricter("9"))
    header, payload, signature = whole.split(".")
    for name, character in {
        "space": " ", "tab": "\t", "NUL": "\0", "BOM": "\ufeff", "plus": "+", "slash": "/",
        "equals": "=", "tilde": "~", "comma": ",", "exclamation mark": "!", "letter e acute": "é",
        "full-width A": "\uff21", "zero-width space": "\u200b", "DEL": "\x7f", "bell": "\a",
    }.items():
        for part, text in {
            "header": f"{header[:9]}{character}{header[9:]}.{payload}.{signature}",
            "payload": f"{header}.{payload[:9]}{character}{payload[9:]}.{signature}",
            "signature": f"{header}.{payload}.{signature[:9]}{character}{signature[9:]}",
        }.items():
            yield Case("access", f"{name} within the {part}", text, REFUSED)
    yield Case("access", "leading space", " " + whole, REFUSED)
    yield Case("access", "leading BOM", "\ufeff" + whole, REFUSED)
    yield Case("access", "signature in standard base64",
               f"{header}.{payload}." + signature.translate(str.maketrans("-_", "+/"))
               if set(signature) & set("-_") else f"{header}.{payload}.+{signature[1:]}", REFUSED)
    yield Case("access", "upper case", whole.upper(), REFUSED)


def headers(now):
    token = access_token(ACCESS, now=now)
    for name, value, point in [
        ("crit", ["exp"], "3"), ("crit", [], "3"), ("crit", "exp", "3"), ("crit", None, "3"),
        ("crit", ["b64"], "3"), ("crit", ["http://example.com/unknown"], "3"),
        ("b64", False, "4"), ("b64", True, "4"), ("b64", None, "4"),
        ("zip", "DEF", "6"), ("cty", "JWT", "6"), ("enc", "A128GCM", "6"), ("zip", None, "6"),
        ("typ", "at+jwt", "7"), ("typ", "dpop+jwt", "7"), ("typ", "logout+jwt", "7"),
        ("typ", "secevent+jwt", "7"), ("typ", "application/at+jwt", "7"), ("typ", "", "7"),
        ("typ", 1, "7"), ("typ", None, "7"), ("typ", ["JWT"], "7"), ("typ", " JWT", "7"),
    ]:
        yield Case("access", f"{name}: {json.dumps(value)}", token.header(name, value).spell(),
                   Stricter(point))
    yield Case("access", "b64 and crit", token.header("b64", False).header("crit", ["b64"]).spell(),
               Stricter("4"))
    for name, value in [("typ", "JWT"), ("typ", "jwt"), ("typ", "Jwt"), ("x", 1), ("Alg", "none"),
                        ("ALG", "HS256"), ("Kid", "x"), ("CRIT", ["x"]), ("", ""), ("apu", "x"),
                        ("__proto__", {"alg": "none"}), ("constructor", {"x": 1})]:
        yield Case("access", f"{name}: {json.dumps(value)}", token.header(name, value).spell(),
                   ACCEPTED)
    for name, value in {
        "jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/chain", "x5c": ["MIIB"],
        "x5t": "abc", "jwk": STRANGER.jwk(), "jwk of nobody": {"kty": "oct", "k": "AAAA"},
    }.items():
        name = name.split()[0]
        yield Case("access", f"{name} beside a right signature", token.header(name, value).spell(),
                   ACCEPTED)
        attacked = token.header(name, value)
        attacked.key = STRANGER
        yield Case("access", f"{name}, signed by a stranger", attacked.spell(), REFUSED)
        yield Case("access", f"{name}, signed by a stranger under its name",
                   token.header(name, value).by(STRANGER).spell(), REFUSED)
    for name, quoted, text, first in [
        ("alg none first", '"alg"', '"none"', True), ("alg twice the same", '"alg"', '"RS256"', True),
        ("kid twice", '"kid"', '"unknown"', True), ("alg escaped", '"\\u0061lg"', '"RS256"', False),
        ("x twice", '"x":1,"x"', "2", False),
        ("a nested name twice", '"jwk"', '{"n":"1","n":"2"}', False),
        ("a name twice in a list", '"x"', '[{"n":1,"n":2}]', False),
    ]:
        yield Case("access", f"doubled in the header: {name}",
                   token.and_header(quoted, text, first).spell(), Stricter("5"))
    yield Case("access", "doubled in the header: alg none last",
               token.and_header('"alg"', '"none"').spell(), REFUSED)
    for value in ("", "unknown", ACCESS.kid + " ", ACCESS.kid.upper(), "../../etc/passwd",
                  "a\r\nb", "a\0b", "k" * 300, "' OR 1=1 --", "access-key%2B%2F%3D", "access-key",
                  "access-key-_=", "*"):
        yield Case("access", f"kid {value[:20]!r}", token.header("kid", value).spell(), REFUSED)
    for text in VALUES:
        if text != '"x"':
            yield Case("access", f"kid {text}", token.header_text("kid", text).spell(), REFUSED)
    yield Case("access", "no kid", token.without_header("kid").spell(), REFUSED)
    yield Case("access", "kid spelled with escapes",
               token.header_text("kid", '"access\\u002dkey+\\/="').spell(), ACCEPTED)


def algorithms(now):
    token = access_token(ACCESS, now=now)
    for name in ("none", "None", "NONE", "nOnE", "", "rs256", "Rs256", "RS256 ", " RS256", "RS-256",
                 "RSA", "SHA256", "dir", "RSA-OAEP", "RS256\0", "HS256", "ES256", "EdDSA"):
        yield Case("access", f"alg {name!r} and a right RS256 signature",
                   token.signed_as(name, "RS256").spell(), REFUSED)
        unsigned = ".".join(token.header("alg", name).parts())
        yield Case("access", f"alg {name!r} and no signature", unsigned + ".", REFUSED)
        yield Case("access", f"alg {name!r} and junk", unsigned + ".AAAA", REFUSED)
    for name in ("RS384", "RS512", "PS256", "PS384", "PS512"):
        yield Case("access", f"{name}, rightly signed", token.signed_as(name).spell(), REFUSED)
        yield Case("access", f"RS256 said, {name} done", token.signed_as("RS256", name).spell(),
                   REFUSED)
    for text in VALUES:
        if text != '"x"':
            yield Case("access", f"alg {text}", token.header_text("alg", text).spell(), REFUSED)
    yield Case("access", "no alg", token.without_header("alg").spell(), REFUSED)
    yield Case("access", "alg spelled with escapes",
               token.header_text("alg", '"\\u0052S256"').spell(), ACCEPTED)
    yield from symmetric(token)


def symmetric(token):
    """HS256 with what is public of the key."""
    public = ACCESS.pair.public_key()
    for name, secret in {
        "PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "PEM without line end": public.public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).strip(),
        "PKCS #1 PEM": public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "JWK": json.dumps(ACCESS.jwk()).encode(), "modulus": ACCESS.jwk()["n"].encode(),
        "nothing": b"",
    }.items():
        for alg, digest in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512),
                            ("RS256", hashlib.sha256)):
            signed = token.header("alg", alg).spell(
                resign=lambda text, s=secret, d=digest: hmac.new(s, text, d).digest())
            yield Case("access", f"{alg} with the public key's {name}", signed, REFUSED)


def signatures(now):
    token = access_token(ACCESS, now=now)
    whole = token.spell()
    signed, _, signature = whole.rpartition(".")
    other = token.claim("sub", "someone-else").spell()
    yield Case("access", "signature of another token", f"{signed}.{other.split('.')[2]}", REFUSED)
    yield Case("access", "payload of another token",
               ".".join([whole.split(".")[0], other.split(".")[1], signature]), REFUSED)
    yield Case("access", "another key's signature under this name",
               token.by(STRANGER, ACCESS.kid).spell(), REFUSED)
    yield Case("access", "the pool's other key under this name",
               token.by(ID, ACCESS.kid).spell(), REFUSED)
    modulus = ACCESS.public.n

    def plus_modulus(text):
        value = int.from_bytes(ACCESS.sign(text), "big") + modulus
        return value.to_bytes(257, "big")

    for name, make in {
        "one byte short": lambda text: ACCESS.sign(text)[:-1],
        "first byte gone": lambda text: ACCESS.sign(text)[1:],
        "one byte long": lambda text: ACCESS.sign(text) + b"\0",
        "a zero before it": lambda text: b"\0" + ACCESS.sign(text),
        "twice": lambda text: ACCESS.sign(text) * 2,
        "half": lambda text: ACCESS.sign(text)[:128],
        "one byte": lambda text: b"\0",
        "zeros": lambda text: bytes(256), "a one": lambda text: bytes(255) + b"\1",
        "ones": lambda text: b"\xff" * 256,
        "the modulus": lambda text: modulus.to_bytes(256, "big"),
        "the modulus less one": lambda text: (modulus - 1).to_bytes(256, "big"),
        "the modulus added": plus_modulus,
        "reversed": lambda text: ACCESS.sign(text)[::-1],
        "the bare padded digest": block,
    }.items():
        yield Case("access", f"signature: {name}", token.spell(resign=make), REFUSED)
    for name, faults in {
        "no NULL in the algorithm": {"info": bytes.fromhex("302f300b0609608648016503040201") + b"\4\x20"},
        "SHA-1 named": {"info": bytes.fromhex("3021300906052b0e03021a05000414")},
        "SHA-512 named": {"info": SHA256_INFO.replace(b"\2\1\5", b"\2\3\5")},
        "junk behind the digest": {"after": b"junk"},
        "no algorithm": {"info": b""},
        "block type 2": {"start": b"\0\2"}, "block type 0": {"start": b"\0\0"},
        "first byte one": {"start": b"\1\1"}, "padding of zeros": {"fill": b"\0"},
        "padding of other bytes": {"fill": b"\xfe"},
        "long form of a length": {"info": bytes.fromhex("308131300d060960864801650304020105000420")},
    }.items():
        yield Case("access", f"PKCS #1 block: {name}", token.spell(
            resign=lambda text, f=faults: ACCESS.raise_to_secret(block(text, **f))), REFUSED)
    yield Case("access", "PKCS #1 block, made by hand", token.spell(
        resign=lambda text: ACCESS.raise_to_secret(block(text))), ACCEPTED)
    for place in (0, 5, 40, -1):
        for index, part in enumerate(("header", "payload", "signature")):
            pieces = whole.split(".")
            text = pieces[index]
            if part == "signature" and place == -1:
                continue  # its last character has unused bits; see `spelling`
            changed = "B" if text[place] == "A" else "A"
            pieces[index] = text[:place] + changed + (text[place + 1:] if place != -1 else "")
            yield Case("access", f"character {place} of the {part} changed", ".".join(pieces),
                       REFUSED)
    yield Case("access", "signature made over the decoded parts", token.spell(
        resign=lambda _: ACCESS.sign(
            f"{token.text_of('header')}.{token.text_of('payload')}".encode())), REFUSED)


def keys(now):
    def with_key(name):
        return access_token(ODD[name], ODD_POOL, now)

    for name in ("bare", "verify", "three", "large", "extra", "leading-zero"):
        yield Case("odd", f"key {name}", with_key(name).spell(), ACCEPTED)
    for name, point in (("encrypt", "12"), ("no-ops", "12"), ("small", "11")):
        yield Case("odd", f"key {name}", with_key(name).spell(), Stricter(point), (point,))
    yield Case("odd", "a key without a name", with_key("empty-name").spell(), Stricter("19"))
    for name in ("enc", "rs512", "no-modulus", "no-exponent"):
        yield Case("odd", f"key {name}", with_key(name).spell(), REFUSED)
    yield Case("odd", "RS256 with a key for ES256", with_key("ec").spell(), REFUSED)
    yield Case("odd", "RS256 with a secret key", with_key("bare").header("kid", "secret").spell(),
               REFUSED)
    yield Case("odd", "ES256, rightly signed", with_key("ec").signed_as("ES256").spell(),
               Stricter("15"))
    yield Case("odd", "RS512 with a key for RS512", with_key("rs512").signed_as("RS512").spell(),
               Stricter("15"))
    for alg in ("RS384", "RS512"):
        yield Case("odd", f"{alg} with a key for any algorithm",
                   with_key("bare").signed_as(alg).spell(), Stricter("15"))
    yield Case("odd", "PS256 with a key for any algorithm",
               with_key("bare").signed_as("PS256").spell(), REFUSED)
    yield Case("odd", "HS256 with the secret of the key set",
               with_key("bare").header("kid", "secret").header("alg", "HS256").spell(
                   resign=lambda text: hmac.new(b"k" * 32, text, hashlib.sha256).digest()), REFUSED)


def issuers(now):
    token = access_token(ACCESS, now=now)
    base = issuer()
    for value in (base + "/", base.upper(), base.replace("https", "http"), base + " ", " " + base,
                  base.replace("us-east-1.", "us-west-2."), base.replace("Ab3", "ab3"), POOL, "",
                  base + "/.well-known/jwks.json", base + "?", base + "#", base + "\0",
                  base.replace("amazonaws.com", "amazonaws.com."), base + "@evil.example",
                  base.replace("amazonaws.com/", "amazonaws.com//"), "https://evil.example/" + POOL,
                  base.replace("amazonaws.com", "amazonaws.com:443"), "accounts.google.com",
                  issuer(form="issuer-cognito-idp") + "/", issuer(form="cognito-idp-fips"),
                  base.replace("cognito", "c\u043egnito"), base.replace("https://", "https:/")):
        yield Case("access", f"iss {value!r}", token.claim("iss", value).spell(), REFUSED)
    yield Case("access", "no iss", token.without("iss").spell(), REFUSED)
    for text in (*VALUES, json.dumps([base]), json.dumps({"iss": base})):
        yield Case("access", f"iss {text}", token.claim_text("iss", text).spell(), REFUSED)
    yield Case("access", "iss spelled with escapes",
               token.claim_text("iss", json.dumps(base).replace("/", "\\/")).spell(), ACCEPTED)
    yield Case("access", "a token of another configured pool",
               access_token(OTHER, OTHER_POOL, now).spell(), REFUSED)
    yield Case("access", "iss of another configured pool", token.claim(
        "iss", issuer(OTHER_POOL)).spell(), REFUSED)
    other = access_token(OTHER, OTHER_POOL, now)
    yield Case("two", "iss of one pool, key of the other",
               other.claim("iss", issuer(POOL)).spell(), REFUSED)
    yield Case("two", "the reverse", token.claim("iss", issuer(OTHER_POOL)).spell(), REFUSED)
    shared = token.by(SHARED_MAIN)
    yield Case("two", "a kid that both pools have, first pool", shared.spell(), ACCEPTED)
    yield Case("two", "a kid that both pools have, second pool",
               other.by(SHARED_OTHER).spell(), ACCEPTED)
    yield Case("two", "a kid that both pools have, crossed", other.by(SHARED_MAIN).spell(), REFUSED)
    yield Case("two", "the same, the other way", token.by(SHARED_OTHER).spell(), REFUSED)
    for pool in (OTHER_POOL, "us-east-1_Unknown01"):
        yield Case("two", f"newer form of {pool}", other.claim(
            "iss", issuer(pool, "issuer-cognito-idp")).spell(),
            ACCEPTED if pool == OTHER_POOL else REFUSED)


def times(now):
    token = access_token(ACCESS, now=now)
    grace = access_token(ACCESS, GRACE_POOL, now)
    for name, value in [("1 s ago", now - 1), ("this second", now), ("an hour ago", now - 3600),
                        ("in 1970", 0), ("negative", -1), ("negative with exponent", -1e300)]:
        yield Case("access", f"exp {name}", token.claim("exp", value).spell(), REFUSED)
    for name, text in {
        "float": f"{now + 900}.5", "exponent": f"{now + 900}e0", "capital exponent": f"{now + 900}E+0",
        "scaled exponent": f"{(now + 900) * 10}e-1", "many digits": f"{now + 900}.{'0' * 400}1",
    }.items():
        yield Case("access", f"exp as {name}", token.claim_text("exp", text).spell(), ACCEPTED)
    yield Case("access", "no exp", token.without("exp").spell(), Stricter("1"))
    yield Case("access", "exp above 2^53", token.claim("exp", 2**53 + 2).spell(), Stricter("1"))
    yield Case("access", "exp 1e300", token.claim("exp", 1e300).spell(), Stricter("1"))
    for text in ("1e400", "-1e400", f'"{now + 900}"', f"[{now + 900}]", f"0{now + 900}",
                 f"+{now + 900}", f"{now + 900}.", "0x7fffffff", "NaN", "Infinity", f"{now}_000",
                 *(value for value in VALUES if value not in ("0", "-1", "1.5"))):
        yield Case("access", f"exp {text}", token.claim_text("exp", text).spell(), REFUSED)
    yield Case("access", "a life of a day", token.claim("exp", now - 5 + 86400).spell(), ACCEPTED)
    yield Case("access", "a life of more than a day", token.claim("exp", now + 86400).spell(),
               Stricter("17"))
    yield Case("access", "no iat", token.without("iat").spell(), Stricter("2"))
    yield Case("access", "iat 30 s ahead", token.claim("iat", now + 30).spell(), ACCEPTED)
    yield Case("access", "iat an hour ahead",
               token.claim("iat", now + 3600).claim("exp", now + 7200).spell(), Stricter("2"))
    yield Case("access", "iat a day ahead",
               token.claim("iat", now + 86400).claim("exp", now + 90000).spell(), Stricter("2"))
    yield Case("access", "iat as float", token.claim("iat", now - 0.5).spell(), ACCEPTED)
    for text in ("1e400", f'"{now}"', *(v for v in VALUES if v not in ("0", "-1", "1.5"))):
        yield Case("access", f"iat {text}", token.claim_text("iat", text).spell(), REFUSED)
        yield Case("access", f"nbf {text}", token.claim_text("nbf", text).spell(), REFUSED)
    for name, value in [("past", now - 10), ("0", 0), ("negative", -5), ("float", now - 1.5),
                        ("tiny", 1e-300)]:
        yield Case("access", f"nbf {name}", token.claim("nbf", value).spell(), ACCEPTED)
    for name, value in [("an hour ahead", now + 3600), ("a day ahead", now + 86400), ("far", 1e300)]:
        yield Case("access", f"nbf {name}", token.claim("nbf", value).spell(), REFUSED)
    for name, value, expected in [
        ("exp 20 s ago", ("exp", now - 20), ACCEPTED), ("exp 61 s ago", ("exp", now - 61), REFUSED),
        ("exp an hour ago", ("exp", now - 3600), REFUSED),
        ("nbf 50 s ahead", ("nbf", now + 50), ACCEPTED),
        ("nbf an hour ahead", ("nbf", now + 3600), REFUSED),
    ]:
        yield Case("grace", name, grace.claim("iat", now - 7200).claim(*value).spell(), expected)


def uses(now):
    token, identity = access_token(ACCESS, now=now), id_token(ID, now=now)
    yield Case("access", "an ID token", identity.spell(), REFUSED)
    yield Case("id", "an access token", token.spell(), REFUSED)
    yield Case("id", "a machine token", machine_token(ACCESS, now=now).spell(), REFUSED)
    for name in ("access", "any"):
        for value in ("refresh", "Access", "ACCESS", "access ", "", "id,access", ["access"], None, 1,
                      True, {"access": 1}):
            yield Case(name, f"token_use {json.dumps(value)}",
                       token.claim("token_use", value).spell(), REFUSED)
        yield Case(name, "no token_use", token.without("token_use").spell(), REFUSED)
    for value in ("access", "ID", "Id", ["id"], "refresh", None):
        yield Case("id", f"token_use {json.dumps(value)}",
                   identity.claim("token_use", value).spell(), REFUSED)
    yield Case("access", "an ID token that calls itself an access token",
               identity.claim("token_use", "access").spell(), REFUSED)
    yield Case("id", "an access token that calls itself an ID token",
               token.claim("token_use", "id").spell(), REFUSED)
    yield Case("any", "an ID token that calls itself an access token",
               identity.claim("token_use", "access").spell(), REFUSED)


def clients(now):
    token, identity = access_token(ACCESS, now=now), id_token(ID, now=now)
    client = CLIENTS[0]
    for value in ("unknown", client.upper(), client + " ", client[:-1], "", ",".join(CLIENTS),
                  " ".join(CLIENTS), CLIENTS, [client], {client: 1}, None, True):
        yield Case("access", f"client_id {json.dumps(value)}",
                   token.claim("client_id", value).spell(), REFUSED)
        yield Case("id", f"aud {json.dumps(value)}", identity.claim("aud", value).spell(), REFUSED)
    yield Case("access", "no client_id", token.without("client_id").spell(), REFUSED)
    yield Case("access", "no client_id but aud",
               token.without("client_id").claim("aud", client).spell(), REFUSED)
    yield Case("id", "no aud", identity.without("aud").spell(), REFUSED)
    yield Case("id", "no aud but client_id",
               identity.without("aud").claim("client_id", client).spell(), REFUSED)
    yield Case("id", "aud wrong, client_id right",
               identity.claim("aud", "unknown").claim("client_id", client).spell(), REFUSED)
    yield Case("id", "the second client", identity.claim("aud", CLIENTS[1]).spell(), ACCEPTED)
    for value in ("https://api.example.com", ["https://api.example.com", "x"], [], ""):
        yield Case("access", f"aud {json.dumps(value)}", token.claim("aud", value).spell(), ACCEPTED)
    for value in (1, None, True, {}, [1], ["x", None]):
        yield Case("access", f"aud {json.dumps(value)}", token.claim("aud", value).spell(), REFUSED)
    yield Case("access", "client_id spelled with escapes",
               token.claim_text("client_id", f'"\\u0031{client[1:]}"').spell(), ACCEPTED)


def texts(now):
    token = access_token(ACCESS, now=now)
    for value in ("not-a-uuid", "x" * 500, "ünïcödé ☃ 𝄞", "a b", "a,b", "%41", "\u202e", '"', "0"):
        yield Case("access", f"sub {value[:20]!r}", token.claim("sub", value).spell(), ACCEPTED)
        yield Case("access", f"sub {value[:20]!r} in UTF-8", token.claim_text(
            "sub", json.dumps(value, ensure_ascii=False)).spell(), ACCEPTED)
    yield Case("access", "no sub", token.without("sub").spell(), Stricter("16"))
    yield Case("access", "an empty sub", token.claim("sub", "").spell(), Stricter("16"))
    for name in ("jti", "username", "scope", "cognito:groups", "version", "event_id", "auth_time",
                 "origin_jti"):
        yield Case("access", f"no {name}", token.without(name).spell(), ACCEPTED)
    for name in ("event_id", "auth_time", "origin_jti", "version", "custom:x", "acr", "amr", "azp",
                 "nonce", "cnf", "https://example.com/claim", "__proto__", "constructor", ""):
        for text in ("null", '"x"', "[1]", '{"x":{"x":1}}', "1e400"):
            yield Case("access", f"{name} {text}", token.claim_text(name, text).spell(), ACCEPTED)
    for text in ("1", "null", "true", "[]", "{}", '["alice"]'):
        yield Case("access", f"username {text}", token.claim_text("username", text).spell(),
                   Stricter("18"))


def scopes(now):
    token = access_token(ACCESS, now=now)
    for value in ("orders/read", "orders/write", "a orders/read b", "  orders/read  ",
                  "a  orders/write", "orders/read orders/read", "orders/read "):
        yield Case("scoped", f"scope {value!r}", token.claim("scope", value).spell(), ACCEPTED)
    for value in ("", " ", "orders", "orders/", "orders/rea", "orders/read2", "xorders/read",
                  "Orders/read", "ORDERS/READ", "orders/read,orders/write", "orders/read\tx",
                  "orders/read\n", "orders%2Fread", "orders /read", "orders/*", "*",
                  "orders/read\u00a0x", "openid profile"):
        yield Case("scoped", f"scope {value!r}", token.claim("scope", value).spell(), REFUSED)
        yield Case("access", f"scope {value!r}", token.claim("scope", value).spell(), ACCEPTED)
    for text in ('["orders/read"]', '{"orders/read":1}', "null", "1", "true"):
        for name in ("scoped", "access"):
            yield Case(name, f"scope {text}", token.claim_text("scope", text).spell(), REFUSED)
    yield Case("scoped", "no scope", token.without("scope").spell(), REFUSED)
    yield Case("scoped", "scp instead", token.without("scope").claim("scp", "orders/read").spell(),
               REFUSED)
    yield Case("scoped", "scope spelled with escapes",
               token.claim_text("scope", '"orders\\/read\\u0020x"').spell(), ACCEPTED)


def groups_of_users(now):
    token = access_token(ACCESS, now=now)
    for value in (["admins"], ["staff", "root"], ["admins", "admins"], ["", "admins"]):
        yield Case("grouped", f"groups {value}", token.claim("cognito:groups", value).spell(),
                   ACCEPTED)
    for value in ([], ["staff"], ["Admins"], ["admins "], ["admins,root"], ["admin"], [""]):
        yield Case("grouped", f"groups {value}", token.claim("cognito:groups", value).spell(),
                   REFUSED)
        yield Case("access", f"groups {value}", token.claim("cognito:groups", value).spell(),
                   ACCEPTED)
    yield Case("grouped", "no groups", token.without("cognito:groups").spell(), REFUSED)
    yield Case("grouped", "groups under another name",
               token.without("cognito:groups").claim("groups", ["admins"]).spell(), REFUSED)
    yield Case("grouped", "groups as a text", token.claim("cognito:groups", "admins").spell(),
               Stricter("13"))
    yield Case("grouped", "groups with a number behind",
               token.claim("cognito:groups", ["admins", 1]).spell(), Stricter("13"))
    for value in ("admins", None, 1, True, {}, {"0": "admins"}, [1], ["admins", None], [["admins"]]):
        yield Case("access", f"groups {json.dumps(value)}",
                   token.claim("cognito:groups", value).spell(), Stricter("13"))


def json_texts(now):
    token = access_token(ACCESS, now=now)
    for part in ("header", "payload"):
        text = token.text_of(part)
        for name, changed, expected in [
            ("white space", text.replace(",", " ,\r\n\t").replace(":", " : ", 1), ACCEPTED),
            ("white space around", f"\n {text}\t ", ACCEPTED),
            ("BOM", "\ufeff" + text, REFUSED), ("junk behind", text + "x", REFUSED),
            ("NUL behind", text + "\0", REFUSED), ("twice", text + text, REFUSED),
            ("cut short", text[:-1], REFUSED), ("trailing comma", text[:-1] + ",}", REFUSED),
            ("leading comma", "{," + text[1:], REFUSED), ("in a list", f"[{text}]", REFUSED),
            ("as a text", json.dumps(text), REFUSED), ("null", "null", REFUSED),
            ("empty object", "{}", REFUSED), ("nothing but a space", " ", REFUSED),
            ("a number", "1", REFUSED), ("comment", "/**/" + text, REFUSED),
            ("single quotes", text.replace('"', "'"), REFUSED),
            ("bare names", text.replace('"alg"', "alg").replace('"sub"', "sub"), REFUSED),
            ("form feed", "\f" + text, REFUSED), ("no-break space", "\u00a0" + text, REFUSED),
            ("raw control character", text[:-1] + ',"x":"\1"}', REFUSED),
            ("raw line end in a text", text[:-1] + ',"x":"\n"}', REFUSED),
            ("raw DEL in a text", text[:-1] + ',"x":"\x7f"}', ACCEPTED),
            ("unknown escape", text[:-1] + ',"x":"\\x41"}', REFUSED),
            ("short escape", text[:-1] + ',"x":"\\u12"}', REFUSED),
            ("NaN", text[:-1] + ',"x":NaN}', REFUSED), ("leading zero", text[:-1] + ',"x":01}', REFUSED),
            ("lone minus", text[:-1] + ',"x":-}', REFUSED), ("lone dot", text[:-1] + ',"x":.5}', REFUSED),
            ("minus zero", text[:-1] + ',"x":-0}', ACCEPTED), ("True", text[:-1] + ',"x":True}', REFUSED),
            ("escapes", text[:-1] + ',"x":"\\" \\\\ \\/ \\b\\f\\n\\r\\t \\ud834\\udd1e"}', ACCEPTED),
            ("escaped NUL", text[:-1] + ',"x":"\\u0000"}', ACCEPTED),
            ("UTF-16", text.encode("utf-16"), REFUSED), ("UTF-32", text.encode("utf-32"), REFUSED),
            ("bytes that are not UTF-8", (text[:-1] + ',"x":"').encode() + b'\xff"}', Stricter("10")),
            ("overlong UTF-8", (text[:-1] + ',"x":"').encode() + b'\xc0\xaf"}', Stricter("10")),
            ("surrogates in UTF-8", (text[:-1] + ',"x":"').encode() + b'\xed\xa0\x80"}', Stricter("10")),
            ("cut UTF-8", (text[:-1] + ',"x":"').encode() + b'\xf0\x9f"}', Stricter("10")),
            ("32 levels", text[:-1] + ',"x":' + "[" * 31 + "]" * 31 + "}", ACCEPTED),
            ("33 levels", text[:-1] + ',"x":' + "[" * 32 + "]" * 32 + "}", Stricter("14")),
            ("33 levels of objects", text[:-1] + ',"x":' + '{"x":' * 32 + "1" + "}" * 33, Stricter("14")),
        ]:
            yield Case("access", f"{part}: {name}", token.with_text(**{part: changed}).spell(),
                       expected)
    yield Case("access", "payload: 5000 levels", token.with_text(
        payload=token.text_of("payload")[:-1] + ',"x":' + "[" * 5000 + "]" * 5000 + "}").spell())
    for name, quoted, text in [
        ("sub", '"sub"', '"admin"'), ("sub with escapes", '"\\u0073ub"', '"admin"'),
        ("client_id", '"client_id"', json.dumps(CLIENTS[0])), ("exp", '"exp"', str(now + 600)),
        ("iss", '"iss"', json.dumps(issuer())), ("token_use", '"token_use"', '"access"'),
        ("an unknown claim", '"x":1,"x"', "1"), ("scope", '"scope"', '"orders/write"'),
    ]:
        yield Case("access", f"doubled in the payload: {name}",
                   token.and_claim(quoted, text).spell(), Stricter("5"))
    for quoted, text in [('"client_id"', '"unknown"'), ('"iss"', '"https://evil.example"'),
                         ('"exp"', str(now - 10)), ('"token_use"', '"id"')]:
        yield Case("access", f"doubled in the payload: {quoted}, bad first",
                   token.and_claim(quoted, text, first=True).spell(), Stricter("5"))
        yield Case("access", f"doubled in the payload: {quoted}, bad last",
                   token.and_claim(quoted, text).spell(), REFUSED)
    yield Case("access", "doubled deep in the payload",
               token.and_claim('"x"', '{"a":1,"a":2}').spell(), ACCEPTED)


def sizes(now):
    token = access_token(ACCESS, now=now)
    yield Case("access", "15 KiB", token.claim("x", "x" * 11_000).spell(), ACCEPTED)
    yield Case("access", "17 KiB", token.claim("x", "x" * 13_000).spell(), Stricter("14"))
    yield Case("access", "200 KiB", token.claim("x", "x" * 150_000).spell(), Stricter("14"))
    yield Case("access", "a header of 4 KiB", token.header("x", "x" * 3_000).spell(), ACCEPTED)
    yield Case("access", "a header of 5 KiB", token.header("x", "x" * 3_800).spell(), Stricter("14"))
    many = token
    for index in range(300):
        many = many.claim(f"claim-{index}", index)
    yield Case("access", "300 claims", many.spell(), ACCEPTED)
    yield Case("access", "300 claims and one twice", many.and_claim('"claim-7"', "1").spell(),
               Stricter("5"))
    yield Case("access", "300 groups",
               token.claim("cognito:groups", [f"group-{n}" for n in range(300)]).spell(), ACCEPTED)


def wrong_types(now):
    """Every claim that is judged holds every kind of value; only the verdicts must agree."""
    for rule_name, token in (("access", access_token(ACCESS, now=now)), ("id", id_token(ID, now=now)),
                             ("scoped", access_token(ACCESS, now=now)),
                             ("grouped", access_token(ACCESS, now=now))):
        for name in ("sub", "jti", "client_id", "aud", "iss", "exp", "iat", "nbf", "token_use",
                     "scope", "cognito:groups", "username", "cognito:username"):
            for text in VALUES:
                yield Case(rule_name, f"{name} is {text}", token.claim_text(name, text).spell())
