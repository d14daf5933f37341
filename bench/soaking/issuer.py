"""Keys that rotate and tokens that they sign. openssl does both, so no package is needed."""
import base64
import json
import subprocess
import time

CLIENT, TOKENS_A_KEY, KEYS = "soakclient", 25, 5
LIFE = 23 * 3600


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*words, stdin=None):
    return subprocess.run(["openssl", *map(str, words)], input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True).stdout


class Keys:
    """Five keys that come and go. The key set has the one in use, and the next before it is used."""

    def __init__(self, folder):
        self.folder, self.issuer = folder, None
        self.in_use = 0
        self.files = [folder / f"key-{number}.pem" for number in range(KEYS)]
        for file in self.files:
            openssl("genrsa", "-out", file, 2048)
        self.published = {0}

    def kid(self, number):
        return f"soak-{number}"

    def document(self):
        """The key set as it is now."""
        return json.dumps({"keys": [self.public(number) for number in sorted(self.published)]})

    def public(self, number):
        told = openssl("rsa", "-in", self.files[number], "-noout", "-modulus").decode()
        modulus = bytes.fromhex(told.strip().partition("=")[2])
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid(number), "n": base64url(modulus),
                "e": "AQAB"}

    def mint(self, issuer):
        """All tokens, once the issuer's address is known."""
        self.issuer = issuer
        self.good = [[self.token(number, serial) for serial in range(TOKENS_A_KEY)] for number in range(KEYS)]
        signature = self.good[0][0].rpartition(".")[2]
        self.bad = [
            self.good[0][1].rpartition(".")[0] + "." + signature,
            self.token(0, 90, exp=int(time.time()) - 60),
            self.token(0, 91, client_id="another"),
            self.token(0, 92, iss=issuer + "/"),
            "not-a-token",
        ]

    def unknown(self, chance):
        """A token of a key that nobody has ever heard of."""
        _, payload, signature = self.good[0][0].split(".")
        header = {"alg": "RS256", "kid": f"unknown-{chance.getrandbits(64):x}"}
        return ".".join([base64url(json.dumps(header).encode()), payload, signature])

    def token(self, number, serial, **changes):
        now = int(time.time())
        header = {"kid": self.kid(number), "alg": "RS256"}
        claims = {"sub": f"user-{number}-{serial}", "iss": self.issuer, "client_id": CLIENT, "token_use": "access",
                  "scope": "orders/read", "username": f"user-{serial}", "iat": now, "exp": now + LIFE,
                  "jti": f"{number}-{serial}"} | changes
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        signature = openssl("dgst", "-sha256", "-sign", self.files[number], stdin=signed.encode())
        return f"{signed}.{base64url(signature)}"
