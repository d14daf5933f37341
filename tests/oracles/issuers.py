"""Two user pools that answer boto3: moto's, which is not ours, and the embedded one, whose tokens
aws-jwt-verify judges too."""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from gateway import BINARY, PATIENCE, Client, Gateway, Process, Server, Suite, free_port, until
from sign_in import node

PASSWORD = "Passw0rd!x-correct-horse"


def run():
    good = [from_moto(), from_embedded_pool()]
    return all(good)


def cognito(endpoint):
    """AWS's own client library, told to speak to `endpoint`."""
    return boto3.client(
        "cognito-idp", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="none",
        aws_secret_access_key="none",
        config=Config(retries={"max_attempts": 1}, proxies={}, connect_timeout=5, read_timeout=20))


def routes(pool, target):
    """A gateway before this pool; `pool` is its entry in the file."""
    return f"""
admin: {{ address: 127.0.0.1:0 }}
user_pools:
  people: {json.dumps(pool)}
target_groups:
  echo: {{ targets: ["{target}"] }}
listeners:
  public:
    address: 127.0.0.1:0
    rules:
      - name: access
        conditions: {{ path_pattern: [/access] }}
        jwt_validation: {{ user_pools: [people] }}
        forward: echo
      - name: id
        conditions: {{ path_pattern: [/id] }}
        jwt_validation: {{ user_pools: [people], token_use: id }}
        forward: echo
      - name: staff
        conditions: {{ path_pattern: [/staff] }}
        jwt_validation: {{ user_pools: [people], groups: [staff] }}
        forward: echo
      - name: admins
        conditions: {{ path_pattern: [/admins] }}
        jwt_validation: {{ user_pools: [people], groups: [admins] }}
        forward: echo
    default_action: {{ fixed_response: {{ status_code: 404 }} }}
"""


def arrives(client, path, token):
    """Status, and the headers that the target received if it was reached."""
    status, body = client.get(path, b"Bearer " + token.encode())
    return status, dict(map(tuple, json.loads(body))) if status == 200 else {}


def judge(suite, name, client, tokens, username):
    """What a session's two tokens may and may not."""
    access, identity = tokens["AccessToken"], tokens["IdToken"]
    status, headers = arrives(client, "/access", access)
    suite.equal(f"{name}: the access token passes", status, 200)
    suite.check(f"{name}: its subject reaches the target", headers.get("x-auth-subject"), headers)
    suite.equal(f"{name}: the ID token passes where it is asked for",
                arrives(client, "/id", identity)[0], 200)
    suite.equal(f"{name}: the ID token is no access token",
                arrives(client, "/access", identity)[0], 401)
    suite.equal(f"{name}: the access token is no ID token", arrives(client, "/id", access)[0], 401)
    suite.equal(f"{name}: {username} is of the staff", arrives(client, "/staff", access)[0], 200)
    suite.equal(f"{name}: {username} is no admin", arrives(client, "/admins", access)[0], 403)
    header, payload, signature = access.split(".")
    changed = "B" if signature[0] == "A" else "A"
    suite.equal(f"{name}: a changed signature is refused",
                arrives(client, "/access", f"{header}.{payload}.{changed}{signature[1:]}")[0], 401)
    return headers.get("x-auth-subject")


def refused(suite, case, code, call, **arguments):
    """The call must fail with this error of the service."""
    try:
        call(**arguments)
    except ClientError as error:
        suite.equal(case, error.response["Error"]["Code"], code)
    else:
        suite.check(case, False, "it succeeded")


def from_moto():
    suite = Suite("moto", "a user pool that is not ours, used through boto3")
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    server = os.path.join(os.path.dirname(sys.executable), "moto_server")
    with Process(server, "-H", "127.0.0.1", "-p", port, stdout=subprocess.DEVNULL,
                 stderr=subprocess.DEVNULL), Server() as target:
        until("moto", lambda: answers(f"{endpoint}/moto-api/data.json") or None)
        idp = cognito(endpoint)
        pool = idp.create_user_pool(PoolName="people")["UserPool"]["Id"]
        app, other = (idp.create_user_pool_client(UserPoolId=pool, ClientName=name)
                      ["UserPoolClient"]["ClientId"] for name in ("app", "other"))
        idp.create_group(UserPoolId=pool, GroupName="staff")
        idp.sign_up(ClientId=app, Username="alice", Password=PASSWORD)
        idp.confirm_sign_up(ClientId=app, Username="alice", ConfirmationCode="0")
        idp.admin_add_user_to_group(UserPoolId=pool, Username="alice", GroupName="staff")

        def sign_in(app):
            return idp.initiate_auth(
                ClientId=app, AuthFlow="USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": "alice", "PASSWORD": PASSWORD})["AuthenticationResult"]

        # moto names AWS's own issuer in its tokens, and serves the keys itself.
        entry = {"user_pool_id": pool, "app_clients": [app],
                 "jwks_uri": f"{endpoint}/{pool}/.well-known/jwks.json"}
        with Gateway(routes(entry, target.address)) as gateway:
            client = Client(gateway.address)
            tokens = sign_in(app)
            subject = judge(suite, "moto", client, tokens, "alice")
            user = idp.get_user(AccessToken=tokens["AccessToken"])
            attributes = {a["Name"]: a["Value"] for a in user["UserAttributes"]}
            suite.equal("moto: the subject is the user's", subject, attributes["sub"])
            renewed = idp.initiate_auth(
                ClientId=app, AuthFlow="REFRESH_TOKEN_AUTH",
                AuthParameters={"REFRESH_TOKEN": tokens["RefreshToken"]})["AuthenticationResult"]
            suite.equal("moto: a refreshed token passes",
                        arrives(client, "/access", renewed["AccessToken"])[0], 200)
            suite.equal("moto: a token for another app client is refused",
                        arrives(client, "/access", sign_in(other)["AccessToken"])[0], 401)
            # All pools of moto sign with one key: only `iss` tells them apart.
            second = idp.create_user_pool(PoolName="others")["UserPool"]["Id"]
            stranger = idp.create_user_pool_client(UserPoolId=second, ClientName="app")
            stranger = stranger["UserPoolClient"]["ClientId"]
            idp.sign_up(ClientId=stranger, Username="alice", Password=PASSWORD)
            idp.confirm_sign_up(ClientId=stranger, Username="alice", ConfirmationCode="0")
            suite.equal("moto: a token of another pool with the same key is refused",
                        arrives(client, "/access", sign_in(stranger)["AccessToken"])[0], 401)
            client.close()
    return suite.tell()


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except OSError:
        return False


def development_pool(port):
    """`development_user_pool` with what the cases need."""
    return {
        "address": f"127.0.0.1:{port}", "user_pool_id": "us-east-1_DevPool01",
        "groups": {"staff": {"precedence": 1}, "admins": {"precedence": 0}},
        "users": {"alice": {"password": PASSWORD, "groups": ["staff"],
                            "attributes": {"email": "alice@example.com"}}},
        "resource_servers": {"orders": ["read"]},
        "clients": {
            "app": {"grants": ["user_password", "refresh_token"], "scopes": ["openid", "email"]},
            "web": {"grants": ["user_password", "refresh_token"], "client_secret": "a-secret-of-web"},
            "machine": {"grants": ["client_credentials"], "client_secret": "a-secret-of-machine",
                        "scopes": ["orders/read"]},
        },
    }


def from_embedded_pool():
    suite = Suite("embedded pool", "our own, used through boto3")
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    pool = development_pool(port)
    entry = {"user_pool_id": pool["user_pool_id"], "app_clients": ["app", "machine"],
             "issuer": f"{endpoint}/{pool['user_pool_id']}"}
    with Server() as target:
        file = routes(entry, target.address) + f"development_user_pool: {json.dumps(pool)}\n"
        with PoolProcess(file) as running, Gateway(routes(entry, target.address)) as gateway:
            running.wait(endpoint)
            client = Client(gateway.address)
            with_boto3(suite, cognito(endpoint), client)
            machine = with_oauth(suite, endpoint, client)
            with_aws_jwt_verify(suite, endpoint, pool["user_pool_id"], machine)
            client.close()
    return suite.tell()


class PoolProcess(Process):
    """`portcullis user-pool` on this text."""

    def __init__(self, text):
        self.folder = tempfile.TemporaryDirectory(prefix="portcullis-oracles-")
        file = pathlib.Path(self.folder.name, "routes.yaml")
        file.write_text(text)
        super().__init__(BINARY, "user-pool", file, stdout=subprocess.DEVNULL)

    def wait(self, endpoint):
        until("the embedded pool", lambda: answers(
            f"{endpoint}/us-east-1_DevPool01/.well-known/jwks.json") or None)

    def __exit__(self, *arguments):
        super().__exit__(*arguments)
        self.folder.cleanup()


def with_boto3(suite, idp, client):
    def sign_in(app="app", **parameters):
        return idp.initiate_auth(
            ClientId=app, AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "alice", "PASSWORD": PASSWORD} | parameters)

    answer = sign_in()
    tokens = answer["AuthenticationResult"]
    suite.equal("boto3: the answer has an HTTP request id and no retry",
                answer["ResponseMetadata"]["RetryAttempts"], 0)
    suite.equal("boto3: the token's type", tokens["TokenType"], "Bearer")
    subject = judge(suite, "boto3", client, tokens, "alice")
    user = idp.get_user(AccessToken=tokens["AccessToken"])
    attributes = {a["Name"]: a["Value"] for a in user["UserAttributes"]}
    suite.equal("boto3: GetUser names the user", user["Username"], "alice")
    suite.equal("boto3: the subject is the user's", subject, attributes["sub"])
    suite.equal("boto3: the attributes are the file's", attributes["email"], "alice@example.com")

    def refresh(token, app="app"):
        return idp.initiate_auth(ClientId=app, AuthFlow="REFRESH_TOKEN_AUTH",
                                 AuthParameters={"REFRESH_TOKEN": token})["AuthenticationResult"]

    renewed = refresh(tokens["RefreshToken"])
    suite.equal("boto3: a refreshed token passes",
                arrives(client, "/access", renewed["AccessToken"])[0], 200)
    suite.equal("boto3: a refreshed ID token passes",
                arrives(client, "/id", renewed["IdToken"])[0], 200)
    suite.equal("boto3: a refresh token is no access token",
                arrives(client, "/access", tokens["RefreshToken"])[0], 401)
    refused(suite, "boto3: a wrong password", "NotAuthorizedException", sign_in, PASSWORD="wrong")
    refused(suite, "boto3: an unknown user", "NotAuthorizedException", sign_in, USERNAME="nobody")
    refused(suite, "boto3: an unknown client", "ResourceNotFoundException", sign_in, app="nothing")
    refused(suite, "boto3: a secret client without its hash", "NotAuthorizedException", sign_in,
            app="web")
    refused(suite, "boto3: a flow that the client may not use", "InvalidParameterException",
            sign_in, app="machine", SECRET_HASH=secret_hash("alice", "machine"))
    refused(suite, "boto3: a refresh token that is none", "NotAuthorizedException", refresh,
            token="nothing")
    secret = sign_in("web", SECRET_HASH=secret_hash("alice", "web"))["AuthenticationResult"]
    suite.equal("boto3: a token of a client that the gateway does not accept",
                arrives(client, "/access", secret["AccessToken"])[0], 401)
    idp.revoke_token(Token=tokens["RefreshToken"], ClientId="app")
    refused(suite, "boto3: a revoked refresh token", "NotAuthorizedException", refresh,
            token=tokens["RefreshToken"])


def secret_hash(username, client):
    """SECRET_HASH as AWS documents it."""
    secret = f"a-secret-of-{client}".encode()
    return base64.b64encode(
        hmac.new(secret, (username + client).encode(), hashlib.sha256).digest()).decode()


def with_oauth(suite, endpoint, client):
    """Client credentials, over plain HTTP as RFC 6749 has it."""
    def token(secret):
        basic = base64.b64encode(f"machine:{secret}".encode()).decode()
        request = urllib.request.Request(
            f"{endpoint}/oauth2/token", b"grant_type=client_credentials&scope=orders%2Fread",
            {"Authorization": f"Basic {basic}",
             "Content-Type": "application/x-www-form-urlencoded"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    status, answer = token("a-secret-of-machine")
    suite.equal("OAuth: a machine gets a token", status, 200)
    good = answer.get("access_token", "")
    status, headers = arrives(client, "/access", good)
    suite.equal("OAuth: the machine's token passes", status, 200)
    suite.equal("OAuth: its scope reaches the target", headers.get("x-auth-scope"), "orders/read")
    suite.equal("OAuth: the machine is of no group",
                arrives(client, "/staff", good)[0], 403)
    status, answer = token("wrong")
    suite.equal("OAuth: a wrong secret", (status, answer.get("error")), (400, "invalid_client"))
    return good


def with_aws_jwt_verify(suite, endpoint, pool_id, machine):
    tokens = cognito(endpoint).initiate_auth(
        ClientId="app", AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "alice", "PASSWORD": PASSWORD})["AuthenticationResult"]
    child = node("pool_verifier.mjs", {
        "issuer": f"{endpoint}/{pool_id}", "user_pool_id": pool_id,
        "access": {"token": tokens["AccessToken"], "client_id": "app"},
        "id": {"token": tokens["IdToken"], "client_id": "app"},
        "machine": {"token": machine, "client_id": "machine"},
    }, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        out, err = child.communicate(timeout=2 * PATIENCE)
    finally:
        child.kill()
    cases = [json.loads(line) for line in out.splitlines()]
    for case in cases:
        suite.check(f"aws-jwt-verify: {case['case']}", case["good"], case["found"])
    suite.equal("aws-jwt-verify: it judged all", (child.returncode, len(cases)), (0, 17))
    if child.returncode:
        print(err[-2000:], flush=True)
