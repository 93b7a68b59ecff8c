"""Options from a YAML file, then `key=value` and flags; unknown and ill-typed keys are refused."""

import difflib
import re
from typing import Any, TypeVar, get_args

import yaml
from pydantic import ValidationError

from vadray import storage
from vadray.config import Options
from vadray.errors import RequestError

_PLAIN_TYPES = (
    (r"typing\.|vadray\.config\.(\w+\.)?", ""),
    (r" \| None(Type)?", ""),
    (r"list\[(\w+)\]$", r"a list of \1"),
    (r"^Union\[(.+)\]$", r"\1"),
    (r", Literal\[", " or Literal["),
    ("Literal", "one of "),
    (r"\bint\b", "a whole number"),
    (r"\bfloat\b", "a number"),
    (r"\bbool\b", "true or false"),
    (r"\bstr\b", "text"),
)
OptionsType = TypeVar("OptionsType", bound=Options)


def parse(options: type[OptionsType], config: str | None, overrides: dict[str, Any]) -> OptionsType:
    """Builds and validates the options of a command.

    Args:
        options: The command's options class.
        config: Path or URI of a flat YAML file, or None.
        overrides: Values that win over the file. Strings are read as YAML scalars where a number or a boolean
            is expected.

    Raises:
        RequestError: The file is not a flat mapping; a key is unknown (the nearest valid one is named), missing
            or has a value of another type.
    """
    values = {**(read_yaml(config) if config else {}), **overrides}
    names = list(options.model_fields)
    for key in values:
        if key not in names:
            near = difflib.get_close_matches(str(key).replace("-", "_"), names, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"valid keys: {', '.join(names)}"
            raise RequestError(f"unknown key {key!r} (received {key}={values[key]!r}): {hint}")
    try:
        return options.model_validate(values)
    except ValidationError as error:
        told = dict.fromkeys(_explain(options, problem) for problem in error.errors())
        raise RequestError("\n".join(told)) from None


def _explain(options: type[Options], problem: Any) -> str:
    path, field, model = _found(options, problem["loc"])
    if not path:
        return problem["msg"].removeprefix("Value error, ")
    key = ".".join(path)
    if problem["type"] == "missing":
        return f"{key}: missing; expected {type_name(field)} ({field.description if field else ''})"
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(problem["loc"][-1]), list(model.model_fields), n=1, cutoff=0.5)
        return f"{key}: unknown key" + (f"; did you mean {near[0]}?" if near else "")
    if problem["type"] == "value_error":  # our own words, which say what was expected
        return f"{key}: {problem['msg'].removeprefix('Value error, ')}, received {problem['input']!r}"
    # of a value that is no number or the like, pydantic's words say nothing more
    plain = problem["type"].endswith(("_parsing", "_type")) or problem["type"] == "literal_error"
    why = "" if plain else f" ({problem['msg']})"
    return f"{key}: expected {type_name(field)}, received {problem['input']!r}{why}"


def _found(options: type[Options], place: tuple[Any, ...]) -> tuple[list[str], Any, type[Options]]:
    """What pydantic's place of a value names: the path to it, its field, and the options that this is one of.

    Items of a list are counted from 1. The rest of a place, which says what of a union was tried, is left out.
    """
    path: list[str] = []
    field, model = None, options
    for part in place:
        if isinstance(part, int):
            path.append(f"no. {part + 1}")
            continue
        inner = model if field is None else _options_in(field.annotation)
        if inner is None:
            break
        path.append(str(part))
        model, field = inner, inner.model_fields.get(part)
        if field is None:
            break
    return path, field, model


def _options_in(annotation: Any) -> type[Options] | None:
    """The options that a type holds, as `list[Rule]` or `Repeats | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Options):
        return annotation
    return next((found for one in get_args(annotation) if (found := _options_in(one))), None)


def type_name(field: Any) -> str:
    """The expected type of a field, as a person would write it."""
    annotation = field.annotation if field else None
    text = (
        annotation.__name__
        if isinstance(annotation, type) and not hasattr(annotation, "__args__")
        else str(annotation)
    )
    for pattern, plain in _PLAIN_TYPES:
        text = re.sub(pattern, plain, text)
    return text


def read_yaml(uri: str, argument: str = "--config") -> dict[str, Any]:
    """A mapping from a YAML file.

    Args:
        uri: Of the file.
        argument: What names it, for errors.

    Raises:
        RequestError: The file is missing, is not YAML, or does not hold a mapping.
    """
    uri = storage.absolute(uri)
    try:
        values = yaml.safe_load(storage.read_bytes(uri))
    except FileNotFoundError:
        raise RequestError(f"{argument} {uri}: no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        what = str(error).replace('in "<byte string>", ', "at ")
        raise RequestError(f"{argument} {uri}: expected YAML, received: {what}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise RequestError(
            f"{argument} {uri}: expected a mapping of key: value, received {type(values).__name__}"
        )
    return values


def parse_pair(text: str) -> tuple[str, Any]:
    """`key=value` from the command line.

    Raises:
        RequestError: There is no `=`.
    """
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise RequestError(f"argument {text!r}: expected key=value")
    return key.replace("-", "_"), parse_value(value)


def parse_value(value: str) -> str | None:
    """One value from the command line: text, which the option's type reads further."""
    return None if value in ("", "null", "~") else value
