"""Where things are: folders, ports, names. All traffic stays on loopback."""
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
ROOT = BENCH.parent
PEERS = BENCH / "peers"
CLIENT = BENCH / "client"
WORK = BENCH / "work"
KEYS = WORK / "keys"
TOKENS = WORK / "tokens"
RUN = WORK / "run"
VENV = WORK / "venv"
RESULTS = BENCH / "RESULTS.md"
GATEWAY = ROOT / "target" / "dist" / "portcullis"

# Below the range that the kernel gives to outgoing connections (32768 and up).
BACKEND, KEY_SET, HTTP, HTTPS, ADMIN = 19000, 19001, 19010, 19011, 19012
MOODY_KEY_SET = 19002

ISSUER = f"http://127.0.0.1:{KEY_SET}/us-east-1_BenchPool1"
POOL = "us-east-1_BenchPool1"
CLIENT_ID = "benchclient"

# The subject has core 0 for itself; the client and the backend share core 1.
SUBJECT_CORE, CLIENT_CORE = 0, 1

VALID, UNSEEN, BAD = 10_000, 40_000, 10_000


def names(**more):
    """What stands between @ signs in the files under peers/."""
    return {
        "BACKEND": BACKEND, "KEY_SET": KEY_SET, "HTTP": HTTP, "HTTPS": HTTPS,
        "ISSUER": ISSUER, "CLIENT": CLIENT_ID, "KEYS": KEYS, "PEERS": PEERS, **more,
    }
