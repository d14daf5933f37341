"""Tokens changed at random from a fixed seed: claims, headers and spelling. Nothing is expected of
them but that the verdicts agree, or differ for a reason. Times stay far from any limit, since the
two verdicts are some seconds apart."""

import json
import random
import time

import cases
from tokens import ALPHABET, CLIENTS, access_token, id_token, issuer, loosened, machine_token

SEED = 20_261_123
MANY = 10_000
#: Tokens that are only respelled are not signed again, so they cost little.
RESPELLED = 0.5


def generated():
    """The same cases in every run, but for the times in them."""
    chance = random.Random(SEED)
    now = int(time.time())
    bases = [
        ("access", access_token(cases.ACCESS, now=now)),
        ("any", id_token(cases.ID, now=now)),
        ("any", machine_token(cases.ACCESS, now=now)),
        ("id", id_token(cases.ID, now=now)),
        ("scoped", access_token(cases.ACCESS, now=now)),
        ("grouped", access_token(cases.ACCESS, now=now)),
        ("two", access_token(cases.OTHER, cases.OTHER_POOL, now)),
        ("grace", access_token(cases.ACCESS, cases.GRACE_POOL, now)),
        ("odd", access_token(cases.BARE, cases.ODD_POOL, now)),
    ]
    spelled = [(rule, token.spell()) for rule, token in bases]
    return [mutant(chance, number, bases, spelled, now) for number in range(MANY)]


def mutant(chance, number, bases, spelled, now):
    if chance.random() < RESPELLED:
        rule, text = chance.choice(spelled)
        name = "respelled"
        for _ in range(chance.choice([1, 1, 1, 2, 3])):
            text = respelled(chance, text)
    else:
        rule, token = chance.choice(bases)
        for _ in range(chance.choice([0, 1, 1, 1, 2, 2, 3])):
            token = changed(chance, token, now)
        respell = None
        if chance.random() < 0.1:
            respell = odd_spelling(chance)
        text = token.spell(respell)
        name = f"{token.text_of('header')} {token.text_of('payload')}"
    if chance.random() < 0.05:
        rule = chance.choice(list(cases.RULES))
    return cases.Case(rule, f"mutant {number}: {name}", text)


def respelled(chance, text):
    """One character removed, added, replaced or moved; or one part changed for another."""
    place = chance.randrange(len(text) - 1)
    character = chance.choice(ALPHABET + "." * 4 + "=+/ ")
    match chance.randrange(6):
        case 0:
            return text[:place] + text[place + 1:]
        case 1:
            return text[:place] + character + text[place:]
        case 2 | 3:
            return text[:place] + character + text[place + 1:]
        case 4:
            last = text[-1]
            return text[:-1] + ALPHABET[ALPHABET.find(last) ^ 1 << chance.randrange(6)]
        case _:
            parts = text.split(".")
            one, other = chance.randrange(len(parts)), chance.randrange(len(parts))
            parts[one] = chance.choice([parts[other], parts[one] + "=", parts[one][:-1]]) or "A"
            return ".".join(parts)


def odd_spelling(chance):
    part = chance.randrange(2)
    if chance.random() < 0.5:
        return lambda *parts: tuple(p + "=" * (n == part) for n, p in enumerate(parts))
    return lambda *parts: tuple(
        (loosened(p) or p) if n == part else p for n, p in enumerate(parts))


def changed(chance, token, now):
    """One claim or header changed."""
    members = token.head if chance.random() < 0.3 else token.body
    is_header = members is token.head
    name = json.loads(chance.choice(members)[0]) if members else "x"
    if chance.random() < 0.3:
        name = chance.choice(
            ["typ", "crit", "b64", "zip", "cty", "jwk", "alg", "kid", "x"] if is_header else
            ["nbf", "aud", "client_id", "username", "scope", "cognito:groups", "sub", "x"])
    text = value(chance, name, now)
    put = token.header_text if is_header else token.claim_text
    match chance.randrange(8):
        case 0:
            return token.without_header(name) if is_header else token.without(name)
        case 1:
            add = token.and_header if is_header else token.and_claim
            return add(escaped(chance, name), text, first=chance.random() < 0.5)
        case 2:
            return put(swapped(chance, name), text)
        case 3 if not is_header:
            other = token.changed()
            chance.shuffle(other.body)
            return other
        case _:
            return put(name, text)


def value(chance, name, now):
    """A JSON text: often of the kind that the member should hold, and close to right."""
    near = {
        "exp": [now + 900, now + 3000, now - 1, now - 900, now + 86000, now + 90000, now + 900.5, 2**53],
        "iat": [now, now - 100, now + 20, now + 9000, 0], "nbf": [now, now - 1, now + 900, now + 9000],
        "auth_time": [now, 0], "token_use": ["access", "id", "refresh", "Access"],
        "client_id": [*CLIENTS, "x", CLIENTS], "aud": [*CLIENTS, "https://x", CLIENTS, []],
        "scope": ["orders/read", "x orders/write", "orders/rea", "orders/read\t", ""],
        "cognito:groups": [["admins"], ["staff"], [], "admins", ["root", 1]],
        "iss": [issuer(), issuer(form="issuer-cognito-idp"), issuer(cases.OTHER_POOL), issuer() + "/"],
        "sub": ["x", "", "ü", "a\tb"], "alg": ["RS256", "RS512", "none", "HS256", "PS256"],
        "kid": [cases.ACCESS.kid, cases.ID.kid, cases.BARE.kid, "unknown", ""],
        "typ": ["JWT", "jwt", "at+jwt"], "crit": [[], ["exp"]], "b64": [True, False],
    }.get(name)
    if near and chance.random() < 0.7:
        text = json.dumps(chance.choice(near), ensure_ascii=chance.random() < 0.5)
        if text.startswith('"') and chance.random() < 0.2 and len(text) > 2 and text[1] != "\\":
            text = f'"\\u{ord(text[1]):04X}{text[2:]}'
        return text
    return chance.choice([*cases.VALUES, "1e400", "1E3", "-0", " 1 ", '"\\ud800"', '"\\n"', "[1,[2]]"])


def escaped(chance, name):
    quoted = json.dumps(name)
    if name and name[0].isascii() and chance.random() < 0.3:
        quoted = f'"\\u{ord(name[0]):04x}{quoted[2:]}'
    return quoted


def swapped(chance, name):
    return chance.choice([name.upper(), name + " ", name[::-1], name[:-1], f"custom:{name}"])
