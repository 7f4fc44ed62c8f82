"""Dicts, lists and scalars as YAML text, for documents that people read."""
import json
import re

PLAIN = re.compile(r"[A-Za-z_/.][\w./@-]*( [\w./@-]+)*")


def dump(value):
    return "\n".join(lines(value)) + "\n"


def lines(value):
    if isinstance(value, dict) and value:
        return [line for key, item in value.items() for line in entry(f"{scalar(key)}:", item)]
    if isinstance(value, list) and value:
        return [line for item in value for line in element(item)]
    return [scalar(value)]


def entry(key, item):
    if not item or not isinstance(item, (dict, list)):
        return [f"{key} {scalar(item)}"]
    # A list may stand as far left as its key.
    indent = "" if isinstance(item, list) else "  "
    return [key, *(indent + line for line in lines(item))]


def element(item):
    first, *rest = lines(item)
    return [f"- {first}", *(f"  {line}" for line in rest)]


def scalar(value):
    if isinstance(value, str) and PLAIN.fullmatch(value) and value not in ("true", "false", "null", "yes", "no", "on", "off"):
        return value
    return json.dumps(value)
