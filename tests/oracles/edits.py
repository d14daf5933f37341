"""Good files with one random change each, from a fixed seed: an editor must not underline what
`portcullis check` accepts."""

import copy
import random

import yaml

SEED = 20_261_123
#: A number in quotes is left out, since it is accepted as a number.
TEXTS = ["", "x", "true", "5s", "10MiB", "any", "*", "/x", "insecure", "127.0.0.1:9000"]
OTHERS = [None, True, False, [], ["x"], ["a", "b"], {}, {"x": "y"}, [None], [[]], {"all_of": ["a"]}]
#: Only in place of a number: a bare number is accepted as text too, and an editor may frown at it.
NUMBERS = [0, 1, 2, -1, 1.5, 200, 302, 65_536]


def edited(files, many):
    """`many` texts of YAML."""
    chance = random.Random(SEED)
    documents = [yaml.safe_load(file.read_text()) for file in files]
    return [yaml.safe_dump(changed(chance, chance.choice(documents)), sort_keys=False)
            for _ in range(many)]


def places(value, path=()):
    """The path to everything in a document but itself."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in inner:
        yield (*path, key)
        if isinstance(item, (dict, list)):
            yield from places(item, (*path, key))


def at(document, path):
    for key in path:
        document = document[key]
    return document


def changed(chance, original):
    """One thing removed, moved elsewhere, or replaced."""
    document = copy.deepcopy(original)
    everywhere = list(places(document))
    path = chance.choice(everywhere)
    parent, key = at(document, path[:-1]), path[-1]
    match chance.randrange(5):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, dict):
            source = chance.choice(everywhere)
            if not isinstance(at(document, source), (int, float)):
                parent[str(source[-1])] = copy.deepcopy(at(document, source))
        case _:
            is_number = isinstance(parent[key], (int, float)) and parent[key] is not True
            kinds = [TEXTS, OTHERS] + [NUMBERS] * is_number
            parent[key] = copy.deepcopy(chance.choice(chance.choice(kinds)))
    return document
