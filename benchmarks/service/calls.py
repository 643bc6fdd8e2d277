"""Calls made from the API's own description, with tokens of three roles: is any answered with 5xx, does any role pass?

    python benchmarks/service/calls.py --calls 6000

Starts a daemon with a gallery. Every operation of `/api/openapi.json` is called again and again with parameters and
bodies made from its schema, right ones and odd ones, by a viewer, an operator, an admin and a caller without a token.
Counts the answers of 500 and above, and those that let a role do what only a higher one may.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.service.lists import running_daemon
from visage.web.tokens import Role, TokenStore

ODD = (
    "",
    "\x00",
    "ä" * 300,
    "../../etc/passwd",
    "p0",
    "p99999999999999999999",
    "u1",
    "s1",
    "-1",
    "1e999",
    "null",
    "%00",
    "[]",
)
TEXTS = ("Ada", "door", "p1", "u1", "2026-05-04T09:12:44Z", "rtsp://192.168.1.20/main")
ODD_SHARE = 0.25
STREAMS = {"follow_events", "live_pictures", "live_mjpeg"}
REFUSED = (401, 403)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_daemon(Path(folder)) as (url, _, _process):
        print(json.dumps(campaign(Path(folder), url, options.calls, random.Random(options.seed)), indent=2))


def campaign(folder: Path, url: str, calls: int, chance: random.Random) -> dict[str, object]:
    """Call, and count."""
    store = TokenStore(folder / "t.json")
    tokens = {role: store.create(role.label, role) for role in Role}
    document = httpx.get(f"{url}/api/openapi.json").json()
    operations = [
        (method, path, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
        if described["operationId"] not in STREAMS
    ]
    needed = least_roles(url, operations, tokens)
    statuses: Counter[int] = Counter()
    failures: list[str] = []
    bypasses: list[str] = []
    with httpx.Client(base_url=url, timeout=60) as client:
        for number in range(calls):
            method, path, described = operations[number % len(operations)]
            role = chance.choice([None, *Role])
            request = made(client, method, path, described, document, chance)
            if role is not None:
                request.headers["authorization"] = f"Bearer {tokens[role]}"
            answer = client.send(request)
            statuses[answer.status_code] += 1
            name = described["operationId"]
            if answer.status_code >= 500 and not (answer.status_code == 503 and "error" in answer.text):
                failures.append(f"{name}: {answer.status_code}")
            least = needed[name]
            if least is not None and (role is None or role < least) and answer.is_success:
                bypasses.append(f"{name} by {role.label if role else 'no one'}: {answer.status_code}")
    return {
        "calls": calls,
        "operations": len(operations),
        "statuses": dict(sorted(statuses.items())),
        "5xx": sorted(set(failures)),
        "bypasses": sorted(set(bypasses)),
    }


def least_roles(url: str, operations: list[tuple[str, str, Any]], tokens: dict[Role, str]) -> dict[str, Role | None]:
    """What each operation says that it needs, asked with an id that is not there; None for what needs nothing."""
    needed: dict[str, Role | None] = {}
    for method, path, described in operations:
        needed[described["operationId"]] = None
        address = url + re.sub(r"\{\w+\}", "p987654", path)
        if httpx.request(method, address).status_code not in REFUSED:
            continue
        for role in Role:
            answer = httpx.request(method, address, headers={"authorization": f"Bearer {tokens[role]}"})
            if answer.status_code not in REFUSED:
                needed[described["operationId"]] = role
                break
    return needed


def made(
    client: httpx.Client, method: str, path: str, described: Any, document: Any, chance: random.Random
) -> httpx.Request:
    """A request as the description has it, with odd values here and there."""
    query: dict[str, str] = {}
    for parameter in described.get("parameters", []):
        value = sample(parameter["schema"], document, chance)
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", quote(str(value), safe="") or "x")
        elif parameter["in"] == "query" and (parameter.get("required") or chance.random() < 0.5):
            query[parameter["name"]] = str(value)
    path = re.sub(r"\{\w+\}", "p1", path)
    content = described.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in content:
        schema = resolved(content["multipart/form-data"]["schema"], document)
        files, fields = [], {}
        for name, part in schema["properties"].items():
            if "contentMediaType" in part.get("items", part):
                files.append((name, ("a.jpg", chance.randbytes(chance.randrange(2000)))))
            else:
                fields[name] = str(sample(part, document, chance))
        return client.build_request(method, path, params=query, files=files, data=fields)
    if "application/json" in content:
        body = sample(content["application/json"]["schema"], document, chance)
        return client.build_request(method, path, params=query, json=body)
    return client.build_request(method, path, params=query)


def sample(schema: Any, document: Any, chance: random.Random) -> Any:
    """A value of a schema; one time in four an odd one."""
    schema = resolved(schema, document)
    if chance.random() < ODD_SHARE:
        return chance.choice(ODD)
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return sample(chance.choice(choices), document, chance)
    kind = schema.get("type")
    if kind == "object":
        return {name: sample(part, document, chance) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [sample(schema.get("items", {}), document, chance) for _ in range(chance.randrange(3))]
    values: dict[str, list[Any]] = {
        "integer": [schema.get("minimum", 0), schema.get("maximum", 10), -1, 10**30],
        "number": [schema.get("minimum", 0), schema.get("maximum", 10), -1, 1e300],
        "boolean": [True, False],
        "null": [None],
    }
    return chance.choice(schema.get("enum") or values.get(str(kind)) or [*TEXTS, *schema.get("examples", [])])


def resolved(schema: Any, document: Any) -> Any:
    """A schema, or what it refers to."""
    return document["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


if __name__ == "__main__":
    main()
