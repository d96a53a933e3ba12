"""Reads recorded answers of the sandbox with the Python SDK's strict response validation."""

import inspect
import json
import re
import sys
import typing

import httpx
from dodopayments import APIResponseValidationError, DodoPayments, NotFoundError, _version

# Fixed segments win over parameters.
recorded = sorted(json.load(open(sys.argv[1])), key=lambda entry: entry["path"].count("{"))


def answer(request: httpx.Request) -> httpx.Response:
    segments = request.url.path.split("/")
    for entry in recorded:
        own = entry["path"].split("/")
        same = len(own) == len(segments) and all(b.startswith("{") or a == b for a, b in zip(segments, own))
        if same and entry["verb"] == request.method.lower():
            headers = {"content-type": entry["type"]} if entry["type"] else {}
            return httpx.Response(entry["status"], content=entry["body"].encode(), headers=headers, request=request)
    return httpx.Response(404, json={"code": "NOT_RECORDED"}, request=request)


client = DodoPayments(
    bearer_token="none",
    base_url="http://sandbox",
    max_retries=0,
    _strict_response_validation=True,
    http_client=httpx.Client(transport=httpx.MockTransport(answer)),
)


def methods(resource, path):
    for name, member in inspect.getmembers(resource):
        if name.startswith("_") or name.startswith("with_"):
            continue
        if inspect.ismethod(member):
            source = inspect.getsource(member)
            if re.search(r"self\._(get|post|put|patch|delete|get_api_list)\(", source):
                yield ".".join([*path, name]), member
        elif hasattr(member, "_client") and hasattr(member, "_get"):
            yield from methods(member, [*path, name])


def argument(annotation):
    text = str(annotation)
    if text in ("str", "<class 'str'>"):
        return "x"
    if "Iterable" in text or "Sequence" in text or "List" in text:
        return []
    if "int" in text:
        return 1
    return {}


seen, rejected, newer = 0, [], []
for name, method in methods(client, []):
    hints = inspect.signature(method).parameters.values()
    required = {p.name: argument(p.annotation) for p in hints if p.default is inspect.Parameter.empty}
    try:
        for extra in ({}, {"type": "new"}, {"customer_id": "x"}):
            try:
                method(**required, **extra)
                break
            except TypeError:
                continue
        seen += 1
    except APIResponseValidationError as error:
        seen += 1
        rejected.append(f"{name}: {str(error)[:400]}")
    except (NotFoundError, ValueError):
        newer.append(name)

for line in rejected:
    print(line)
print(
    f"python {_version.__version__}: {seen} methods read their answers, {len(rejected)} rejections; "
    f"{len(newer)} methods are newer than the contract: {' '.join(newer)}"
)
sys.exit(1 if rejected or seen < 149 else 0)
