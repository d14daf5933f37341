"""The `routes.yaml` of our own subjects."""
from . import places

ADMIN_TOKEN = "bench-admin-token-of-32-characters"


def text(authorize, log=False, shape=None, revision=0, key_set=places.KEY_SET, targets=(places.BACKEND,),
         flags=()):
    """One pool, one target group, an HTTP and an HTTPS listener with the same rules."""
    token_file = places.RUN / "admin-token"
    token_file.write_text(ADMIN_TOKEN + "\n")
    token_file.chmod(0o600)
    if shape:
        rules = [*shape.rules(), rule("probe", '["/", "/echo"]', authorize)]
    elif "api" in flags:
        rules = ['      - { name: all, conditions: { path_pattern: ["/*"] }, api: bench }']
    else:
        rules = [rule("all", '["/*"]', authorize)]
    listeners = [listener("http", places.HTTP, "", rules, revision)]
    if not shape:
        listeners.append(listener("https", places.HTTPS, tls(), rules, revision))
    return "\n".join([
        f"admin: {{ address: 127.0.0.1:{places.ADMIN}, token: \"${{file:{token_file}}}\" }}",
        "threads: 1",
        *(["identity_assertion: { issuer: https://edge.example.com }"] if "identity" in flags else []),
        f"access_log: {{ destination: {'stdout' if log else quoted('off')} }}",
        "claim_headers: { x-auth-subject: sub, x-auth-client-id: client_id, x-auth-scope: scope, "
        "x-auth-groups: \"cognito:groups\" }",
        "user_pools:",
        "  bench:",
        f"    user_pool_id: {places.POOL}",
        f"    issuer: {places.ISSUER}",
        f"    jwks_uri: http://127.0.0.1:{key_set}/jwks.json",
        f"    app_clients: [{places.CLIENT_ID}]",
        "target_groups:",
        "  backend:",
        "    targets: [" + ", ".join(f"127.0.0.1:{port}" for port in targets) + "]",
        "    health_check: { enabled: false }",
        *(["    identity_assertion: true"] if "identity" in flags else []),
        *(api("mapped" in flags) if "api" in flags else []),
        "listeners:",
        *listeners,
    ]) + "\n"


def api(is_mapped):
    """An HTTP API with one route; where it maps, three claims into headers."""
    claims = ("sub", "client_id", "scope")
    mappings = ", ".join(f"\"overwrite:header.x-api-{claim}\": $context.authorizer.claims.{claim}" for claim in claims)
    mapped = f", request_parameters: {{ {mappings} }}" if is_mapped else ""
    return [
        "apis:",
        "  bench:",
        "    type: http",
        "    authorizers: { bench: { jwt: { user_pool: bench } } }",
        "    routes:",
        f"      ANY /{{proxy+}}: {{ authorizer: bench, integration: {{ target_group: backend{mapped} }} }}",
    ]


def quoted(word):
    return f'"{word}"'


def rule(name, patterns, authorize):
    who = "jwt_validation: { user_pools: [bench] }" if authorize else "public: true"
    return f"      - {{ name: {name}, conditions: {{ path_pattern: {patterns} }}, {who}, forward: backend }}"


def tls():
    # h2load takes a connection that is told to go away for a failure.
    return ("    max_http2_requests: 1000000000\n"
            "    tls: { certificates: [{ certificate: %s, private_key: %s }] }\n"
            % (places.KEYS / "edge.pem", places.KEYS / "edge.key"))


def listener(name, port, tls_lines, rules, revision):
    return (f"  {name}:\n    address: 127.0.0.1:{port}\n{tls_lines}    rules:\n" + "\n".join(rules)
            + "\n    default_action: { fixed_response: { status_code: 404, "
            f"message_body: \"revision {revision}\" }} }}")
