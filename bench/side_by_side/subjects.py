"""What is measured: how each subject is configured, started and proved to do its job."""
import functools
import http.client
import os
import re
import shutil
import ssl
import subprocess
from dataclasses import dataclass

from . import gateway_file, places, prepare
from .process import Process, wait_until


@dataclass(frozen=True)
class Subject:
    name: str
    title: str
    family: str
    authorizes: bool
    flags: tuple = ()

    def start(self, log=False, shape=None, binary=None, under=(), text=None):
        """Starts it on its core, waits until it serves, and checks whom it lets pass.

        `under` is a command that runs it, such as Valgrind; `text` is another `routes.yaml`."""
        folder = fresh_folder(self.name)
        flags = set(self.flags) | ({"log"} if log else set())
        if self.family == "portcullis":
            file = folder / "routes.yaml"
            file.write_text(text or gateway_file.text(self.authorizes, log, shape, flags=self.flags))
            command = [binary or places.GATEWAY, "run", file]
        else:
            command = PEER_COMMANDS[self.family](folder, flags)
        process = Process([*under, *command], places.SUBJECT_CORE, folder / "output.log")
        try:
            if self.family == "portcullis":
                wait_until(lambda: get("/readyz", port=places.ADMIN) == 200, process, self.title)
            token = first_token("one")
            wait_until(lambda: get("/", token) == 200, process, self.title)
            self.prove(token, with_tls=shape is None)
        except BaseException:
            process.stop()
            raise
        return process

    def prove(self, token, with_tls=True):
        """A subject that lets the wrong caller pass, or no one, is not worth a measurement."""
        wanted = 401 if self.authorizes else 200
        facts = {
            "good token": (get("/", token), 200),
            "bad signature": (get("/", first_token("bad")), wanted),
            "no token": (get("/"), wanted),
        }
        if with_tls:
            facts["good token over TLS"] = (get("/", token, port=places.HTTPS, tls=True), 200)
        if self.authorizes:
            facts["claim header reaches the backend"] = (len(body("/echo", token)), 36)
        wrong = [f"{what}: {seen}, not {right}" for what, (seen, right) in facts.items() if seen != right]
        if wrong:
            raise RuntimeError(f"{self.title} does not do its job: " + "; ".join(wrong))


def fresh_folder(name):
    folder = places.RUN / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def fill_in(template, target, flags, **more):
    """Writes a peer's file: `#flag:` lines wake up when the flag is given, `#flag!:` when it is not."""
    def wake(match):
        return "" if (match[1] in flags) != (match[2] == "!") else match[0]

    text = (places.PEERS / template).read_text()
    text = re.sub(r"^#(\w+)(!?):", wake, text, flags=re.MULTILINE)
    for name, value in places.names(**more).items():
        text = text.replace(f"@{name}@", str(value))
    target.write_text(text)
    return target


def nginx(folder, flags, template="nginx.conf"):
    # Started by root, a worker would become `nobody`, who cannot read the bench's files.
    user = "user root;" if os.geteuid() == 0 else ""
    file = fill_in(template, folder / "nginx.conf", flags, RUN=folder, USER=user)
    return nginx_command(folder, file)


def nginx_command(folder, file):
    return ["nginx", "-p", folder, "-e", "stderr", "-c", file]


def haproxy(folder, flags):
    return ["haproxy", "-q", "-db", "-f", fill_in("haproxy.cfg", folder / "haproxy.cfg", flags)]


def envoy(folder, flags):
    file = fill_in("envoy.yaml", folder / "envoy.yaml", flags, RUN=folder)
    return [prepare.envoy_binary(), "-c", file, "--concurrency", "1", "--log-level", "error",
            "--disable-hot-restart"]


PEER_COMMANDS = {"nginx": nginx, "haproxy": haproxy, "envoy": envoy}

SUBJECTS = {
    subject.name: subject for subject in (
        Subject("portcullis-plain", "Portcullis, plain forward", "portcullis", False),
        Subject("portcullis-auth", "Portcullis, authorized", "portcullis", True),
        Subject("portcullis-identity", "Portcullis, authorized, with proof of origin", "portcullis", True, ("identity",)),
        Subject("portcullis-api", "Portcullis, a route of an HTTP API", "portcullis", True, ("api",)),
        Subject("portcullis-mapped", "Portcullis, a route that maps three claims", "portcullis", True, ("api", "mapped")),
        Subject("haproxy-plain", "HAProxy, plain forward", "haproxy", False),
        Subject("haproxy-jwt", "HAProxy, jwt_verify", "haproxy", True, ("authorize",)),
        Subject("nginx-plain", "nginx, plain forward", "nginx", False),
        Subject("nginx-lua", "nginx, Lua token cache", "nginx", True, ("authorize",)),
        Subject("envoy-plain", "Envoy, plain forward", "envoy", False),
        Subject("envoy-jwt", "Envoy, jwt_authn", "envoy", True, ("authorize",)),
        Subject("envoy-jwt-cache", "Envoy, jwt_authn with cache", "envoy", True, ("authorize", "cache")),
    )
}


def start_backend():
    """The answer behind every subject, and the key set; on the client's core."""
    folder = fresh_folder("backend")
    process = Process(nginx(folder, set(), "backend.conf"), places.CLIENT_CORE, folder / "output.log")
    wait_until(lambda: get("/jwks.json", port=places.KEY_SET) == 200, process, "the backend")
    return process


@functools.cache
def first_token(name):
    with open(places.TOKENS / f"{name}.txt") as file:
        return file.readline().strip()


def ask(path, token=None, port=places.HTTP, tls=False, method="GET", headers=()):
    """(status, body); status 0 when nobody answers."""
    if tls:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5,
                                                 context=ssl._create_unverified_context())
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    sent = dict(headers) | ({"authorization": f"Bearer {token}"} if token else {})
    try:
        connection.request(method, path, headers=sent)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def get(path, token=None, **where):
    return ask(path, token, **where)[0]


def body(path, token):
    return ask(path, token)[1]


def versions(binary=None):
    """What was measured, one line each."""
    def say(*command):
        try:
            done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=20)
            return (done.stdout + done.stderr).strip()
        except OSError as error:
            return f"absent ({error})"

    def package(name):
        return say("dpkg-query", "-W", "-f", "${Package} ${Version}", name)

    return {
        "Portcullis": f"{say(binary or places.GATEWAY, '--version')}, commit "
                      f"{say('git', '-C', places.ROOT, 'rev-parse', '--short', 'HEAD')}",
        "HAProxy": package("haproxy"),
        "nginx": f"{package('nginx')}, {package('libnginx-mod-http-lua')}",
        "Envoy": say(prepare.envoy_binary(), "--version").split("version: ")[-1],
        "Clients": f"{package('wrk')}, {package('nghttp2-client')}",
        "OpenSSL of the peers": say("openssl", "version"),
    }
