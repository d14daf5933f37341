"""The cases: what is asked of a subject, and of which ones."""
from dataclasses import dataclass
from typing import Optional

from . import load, places
from .shapes import SHAPES, Shape
from .subjects import SUBJECTS

PLAIN_AND_AUTHORIZED = tuple(SUBJECTS)
AUTHORIZED = tuple(name for name, subject in SUBJECTS.items() if subject.authorizes)
OURS = ("portcullis-auth",)


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    subjects: tuple = PLAIN_AND_AUTHORIZED
    connections: int = 64
    tokens: str = "one"        # which file under work/tokens
    warm: int = 1              # seconds, at least
    refused: bool = False      # whether 401 is the right answer
    tls: bool = False
    streams: int = 0           # HTTP/2 streams a connection; 0 is HTTP/1.1
    log: bool = False
    by_script: bool = False
    shape: Optional[Shape] = None

    def warm_up(self, seconds):
        """Fills pools and caches with what the measured run will use, except for unseen tokens."""
        seconds = max(seconds, self.warm)
        if self.tokens == "unseen":
            return load.wrk(seconds, self.connections, token=load.one_token())
        return self.run(seconds)

    def run(self, seconds):
        """Loads whatever subject is up. A plain forward gets the token too: the request is the same."""
        token = load.one_token()
        if self.streams:
            return load.h2load(seconds, self.connections, self.streams, token)
        if self.shape:
            script = ("rotate.lua", "cycle", self.shape.request_file(), places.TOKENS / "one.txt")
            return load.wrk(seconds, self.connections, script=script)
        if self.tokens != "one" or self.by_script:
            mode = "once" if self.tokens == "unseen" else "cycle"
            script = ("rotate.lua", mode, places.TOKENS / f"{self.tokens}.txt")
            return load.wrk(seconds, self.connections, script=script)
        return load.wrk(seconds, self.connections, token=token, tls=self.tls)

    def is_as_expected(self, result):
        """Every answer was the right one (a handful may be cut off at the end of a run)."""
        right = result.refused == result.requests if self.refused else result.refused == 0
        return right and result.broken == 0 and result.requests > 0


CASES = {
    case.name: case for case in (
        Case("c64", "64 connections, one token"),
        Case("c256", "256 connections, one token", connections=256),
        Case("one-by-script", "64 connections, one token, by the script of the next", OURS, by_script=True),
        Case("tokens", "64 connections, 10,000 distinct valid tokens", AUTHORIZED, tokens="valid", warm=4),
        Case("unseen", "64 connections, each token used once", AUTHORIZED, tokens="unseen"),
        Case("bad", "64 connections, 10,000 bad signatures", AUTHORIZED, tokens="bad", refused=True),
        Case("https", "HTTPS, HTTP/1.1, 64 connections, one token", tls=True),
        Case("h2", "HTTPS, HTTP/2, 16 connections of 4 streams, one token", connections=16, tls=True, streams=4),
        Case("log", "64 connections, one token, access logs on", log=True),
        *(Case(shape.name, shape.title, OURS, shape=shape) for shape in SHAPES.values()),
    )
}
