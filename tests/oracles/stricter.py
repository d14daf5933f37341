"""Where the gateway refuses what AWS's verifier accepts, on purpose, and which of these points a
token offends: written from the points alone, without a look at how the gateway does it."""

import base64
import json
import re

POINTS = {
    "1": "`exp` must be there: a number from 0 to 2^53",
    "2": "`iat` must be there and at most 60 s ahead",
    "3": "`crit` in whatever form",
    "4": "`b64` in whatever form",
    "5": "a name twice: in the header at any depth, in the payload at the top",
    "6": "`zip`, `cty` or `enc`",
    "7": "`typ` other than `JWT`",
    "8": "`=` padding",
    "9": "unused bits that are not zero in the last character of a part",
    "10": "text that is not Unicode: bytes anywhere, escapes in names and in what is judged",
    "11": "an RSA key below 2048 bits or with a bad exponent",
    "12": "a key whose `key_ops` lack `verify`",
    "13": "`cognito:groups` must be an array of strings",
    "14": "a token above 16 KiB, a header above 4 KiB, JSON deeper than 32",
    "15": "`alg` must be one that the pool's configuration allows, whatever the key allows",
    "16": "`sub` must be there and not empty",
    "17": "a life of more than a day, which Cognito never gives",
    "18": "`username` must be a string",
    "19": "`kid` must not be empty, even if a key is called so",
}


JUDGED = ["iss", "sub", "jti", "client_id", "token_use", "scope", "username"]


def offended(compact, now):
    """The points that the token's own text offends. (11 and 12 are about keys.)"""
    points = set()
    if len(compact) > 16 * 1024 or len(compact.split(".")[0]) > 4096:
        points.add("14")
    parts = compact.split(".")
    if len(parts) != 3:
        return points
    if "=" in compact:
        points.add("8")
    if any(has_loose_bits(part) for part in parts):
        points.add("9")
    try:
        header, payload = (read(part, points) for part in parts[:2])
    except ValueError:
        return points
    points |= in_header(header) | in_payload(payload, now)
    return points


def has_loose_bits(part):
    part = part.rstrip("=")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", part) or len(part) % 4 == 1:
        return False
    padded = part + "=" * (-len(part) % 4)
    return base64.urlsafe_b64encode(base64.urlsafe_b64decode(padded)).decode() != padded


class Members(list):
    """The members of a JSON object with doubled names kept."""


def read(part, points):
    raw = base64.urlsafe_b64decode(part.rstrip("=") + "=" * (-len(part.rstrip("=")) % 4))
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        points.add("10")
        text = raw.decode(errors="replace")
    try:
        value = json.loads(text, object_pairs_hook=Members)
    except RecursionError:
        points.add("14")
        raise ValueError from None
    if not isinstance(value, Members):
        raise ValueError
    if depth(value) > 32:
        points.add("14")
    return value


def depth(value):
    inner = [v for _, v in value] if isinstance(value, Members) else value
    if not isinstance(inner, list):
        return 0
    return 1 + max(map(depth, inner), default=0)


def is_half(text):
    """Whether half a surrogate pair is in it, which JSON's escapes can spell."""
    return isinstance(text, str) and any("\ud800" <= c <= "\udfff" for c in text)


def names(value):
    if isinstance(value, list):
        for item in value:
            if isinstance(value, Members):
                yield item[0]
                item = item[1]
            yield from names(item)


def doubled(value, deep):
    if isinstance(value, Members):
        names = [name for name, _ in value]
        if len(set(names)) < len(names):
            return True
        return deep and any(doubled(inner, deep) for _, inner in value)
    return deep and isinstance(value, list) and any(doubled(inner, deep) for inner in value)


def in_header(header):
    points = {"5"} if doubled(header, deep=True) else set()
    values = dict(header)
    points |= {"3"} if "crit" in values else set()
    points |= {"4"} if "b64" in values else set()
    points |= {"6"} if values.keys() & {"zip", "cty", "enc"} else set()
    if "typ" in values and str(values["typ"]).lower() != "jwt":
        points.add("7")
    if values.get("alg") != "RS256":
        points.add("15")
    if not values.get("kid"):
        points.add("19")
    if any(map(is_half, [*names(header), values.get("alg"), values.get("kid")])):
        points.add("10")
    return points


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def in_payload(payload, now):
    points = {"5"} if doubled(payload, deep=False) else set()
    values = dict(payload)
    exp, iat = values.get("exp"), values.get("iat")
    if not is_number(exp) or not 0 <= exp <= 2**53:
        points.add("1")
    if not is_number(iat) or not iat <= now + 59:
        points.add("2")
    if is_number(exp) and is_number(iat) and exp - max(iat, 0) > 24 * 3600:
        points.add("17")
    groups = values.get("cognito:groups", [])
    is_list = isinstance(groups, list) and not isinstance(groups, Members)
    if not is_list or not all(isinstance(group, str) for group in groups):
        points.add("13")
    if not isinstance(values.get("sub"), str) or not values["sub"]:
        points.add("16")
    if not isinstance(values.get("username", ""), str):
        points.add("18")
    judged = [values.get(name) for name in JUDGED] + (groups if is_list else [])
    audience = values.get("aud")
    judged += audience if isinstance(audience, list) else [audience]
    if any(map(is_half, [name for name, _ in payload] + judged)):
        points.add("10")
    return points
