"""Keys, certificate, key set and tokens. Runs in the bench's own venv: it needs `cryptography`.

    mint.py KEYS_DIR TOKENS_DIR ISSUER CLIENT_ID VALID UNSEEN BAD
"""
import base64
import datetime
import ipaddress
import json
import multiprocessing
import sys
import time
import uuid
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

KID = "b3Jk6s0V9mQ2xT7yL4nA1cE8hG5jP0rU3wZ6dF9kBiM="
LIFE = 24 * 3600

signing_key = None
settings = {}


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def access_token():
    """An access token as Cognito makes it for a person of two groups; about 1.17 KB."""
    now = settings["now"]
    subject = str(uuid.uuid4())
    header = {"kid": KID, "alg": "RS256"}
    claims = {
        "sub": subject,
        "cognito:groups": ["customers", "us-east-1_BenchPool1_Google"],
        "iss": settings["issuer"],
        "version": 2,
        "client_id": settings["client"],
        "origin_jti": str(uuid.uuid4()),
        "event_id": str(uuid.uuid4()),
        "token_use": "access",
        "scope": "openid profile email orders/read orders/write https://shop.example/basket",
        "auth_time": now,
        "exp": now + LIFE,
        "iat": now,
        "jti": str(uuid.uuid4()),
        "username": "google_" + str(uuid.uuid4().int)[:21],
    }
    text = [json.dumps(part, separators=(",", ":")).encode() for part in (header, claims)]
    signed = b".".join(base64url(part) for part in text)
    signature = signing_key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    return (signed + b"." + base64url(signature)).decode()


def start_worker(pem, values):
    global signing_key
    signing_key = serialization.load_pem_private_key(pem, None)
    settings.update(values)


def mint(count):
    return [access_token() for _ in range(count)]


def with_wrong_signatures(tokens):
    """Each token gets its neighbour's signature: well formed, full price to verify, wrong."""
    parts = [token.rsplit(".", 1) for token in tokens]
    return [parts[i][0] + "." + parts[i - 1][1] for i in range(len(parts))]


def write_pool_keys(folder):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key()
    numbers = public.public_numbers()
    jwk = {
        "kid": KID, "alg": "RS256", "kty": "RSA", "use": "sig", "e": "AQAB",
        "n": base64url(numbers.n.to_bytes(256, "big")).decode(),
    }
    (folder / "jwks.json").write_text(json.dumps({"keys": [jwk]}))
    (folder / "pool.pem").write_bytes(public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    return private_pem(key)


def private_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def write_edge_certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bench.test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.DNSName("bench.test"), x509.DNSName("localhost"),
             x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256()))
    chain = certificate.public_bytes(serialization.Encoding.PEM)
    secret = private_pem(key)
    (folder / "edge.pem").write_bytes(chain)
    (folder / "edge.key").write_bytes(secret)
    (folder / "edge-bundle.pem").write_bytes(chain + secret)


def main():
    keys, tokens = Path(sys.argv[1]), Path(sys.argv[2])
    issuer, client = sys.argv[3], sys.argv[4]
    valid, unseen, bad = (int(text) for text in sys.argv[5:8])
    keys.mkdir(parents=True, exist_ok=True)
    tokens.mkdir(parents=True, exist_ok=True)
    pem = write_pool_keys(keys)
    write_edge_certificate(keys)
    # Ten seconds back, so that no subject finds a token issued in its future.
    values = {"now": int(time.time()) - 10, "issuer": issuer, "client": client}
    total, step = 1 + valid + unseen + bad, 500
    steps = [min(step, total - start) for start in range(0, total, step)]
    with multiprocessing.Pool(initializer=start_worker, initargs=(pem, values)) as pool:
        made = [token for part in pool.imap_unordered(mint, steps) for token in part]
    files = {
        "one": made[:1],
        "valid": made[1:1 + valid],
        "unseen": made[1 + valid:1 + valid + unseen],
        "bad": with_wrong_signatures(made[1 + valid + unseen:]),
    }
    for name, lines in files.items():
        (tokens / f"{name}.txt").write_text("\n".join(lines) + "\n")
    (tokens / "made.json").write_text(json.dumps({
        "expires": values["now"] + LIFE, "asked": sys.argv[3:8], "bytes": len(made[0]),
    }))


if __name__ == "__main__":
    main()
