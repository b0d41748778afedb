"""Which JSON schemas the real API refuses for structured output.

Belongs here: the documented limits of `output_config.format.schema` (documentation of August 2026): closed objects, no
numeric or length constraints, no recursion, at most 24 optional and 16 union-typed parameters. Does not belong here:
making answers that fit a schema (`responder.py`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from feedback_loop.testing.anthropic_emulator.refusals import RefusedError

MAX_OPTIONAL, MAX_UNIONS = 24, 16
_UNSUPPORTED = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
)
_PLACE = "output_config.format.schema"


def check_schema(schema: Mapping[str, Any]) -> None:
    """Refuse what the API cannot compile into a grammar.

    Raises:
        RefusedError: 400, with the reason in the API's words where they are known.
    """
    _refuse_recursion(schema, schema, ())
    nodes = list(_walk(schema))
    for node in nodes:
        _check_node(node)
    n_optional = sum(len(set(node.get("properties", ())) - set(node.get("required", ()))) for node in nodes)
    n_unions = sum("anyOf" in node or isinstance(node.get("type"), list) for node in nodes)
    if n_optional > MAX_OPTIONAL:
        raise RefusedError(
            400, f"{_PLACE}: Schemas contain too many optional parameters ({n_optional} > {MAX_OPTIONAL})"
        )
    if n_unions > MAX_UNIONS:
        raise RefusedError(
            400, f"{_PLACE}: Schemas contain too many parameters with union types ({n_unions} > {MAX_UNIONS})"
        )


def resolve(node: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The node that a local `$ref` points to, or the node itself."""
    reference = node.get("$ref")
    if reference is None:
        return node
    target: Any = root
    for part in str(reference).removeprefix("#/").split("/"):
        if not isinstance(target, Mapping) or part not in target:
            raise RefusedError(400, f"{_PLACE}: Cannot resolve reference {reference!r}")
        target = target[part]
    return resolve(target, root)


def _check_node(node: Mapping[str, Any]) -> None:
    kind = node.get("type")
    unsupported = [name for name in _UNSUPPORTED if name in node]
    if unsupported:
        plural = "properties {} are" if len(unsupported) > 1 else "property '{}' is"
        said = plural.format(", ".join(unsupported))
        raise RefusedError(400, f"{_PLACE}: For '{kind}' type, {said} not supported")
    if kind == "array" and node.get("minItems", 0) not in (0, 1):
        raise RefusedError(400, f"{_PLACE}: For 'array' type, 'minItems' values other than 0 or 1 are not supported")
    if kind == "object" and node.get("additionalProperties") is not False:
        raise RefusedError(400, f"{_PLACE}: For 'object' type, 'additionalProperties' must be explicitly set to false")


def _children(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name in ("properties", "$defs", "definitions"):
        yield from (child for child in node.get(name, {}).values() if isinstance(child, Mapping))
    for name in ("anyOf", "allOf", "oneOf", "prefixItems"):
        yield from (child for child in node.get(name, ()) if isinstance(child, Mapping))
    if isinstance(node.get("items"), Mapping):
        yield node["items"]


def _walk(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in _children(node):
        yield from _walk(child)


def _refuse_recursion(node: Mapping[str, Any], root: Mapping[str, Any], open_refs: tuple[str, ...]) -> None:
    reference = node.get("$ref")
    if reference in open_refs:
        raise RefusedError(400, f"{_PLACE}: Recursive schemas are not supported ({reference})")
    if reference is not None:
        _refuse_recursion(resolve(node, root) if reference != "#" else root, root, (*open_refs, str(reference)))
    for child in _children(node):
        _refuse_recursion(child, root, open_refs)
