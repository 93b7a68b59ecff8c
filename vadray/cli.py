"""The commands: parse, call, print. Human output on stderr; the last line on stdout is one JSON object.

Exit status: 0 done, 2 the request was wrong, 3 committed and something needs a look, 4 another
driver holds the sweep, 5 interrupted and resumable.
"""

import argparse
import contextlib
import difflib
import json
import signal
import sys
from collections.abc import Iterator
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import shtab

from vadray import __version__
from vadray.commands import COMMANDS, log
from vadray.commands.command import Command, interrupt_on_sigterm
from vadray.errors import HeldElsewhere, RequestError, Stalled, VadrayError
from vadray.parsing import parse, parse_pair, parse_value

WRONG_REQUEST, HELD, INTERRUPTED, FAILED = 2, 4, 5, 1
STATUS = {HeldElsewhere: HELD, Stalled: INTERRUPTED}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    parser = build_parser()
    known, rest = parser.parse_known_args(arguments)
    if not known.command:
        parser.print_help(sys.stderr)
        return WRONG_REQUEST
    command = COMMANDS[known.command]
    try:
        console = log.console()
    except RequestError as error:
        print(f"vadray {known.command}: {error}", file=sys.stderr)
        return WRONG_REQUEST
    try:
        options = parse(command.options, known.config, _overrides(command, known, rest))
        with _terminable(), log.wrapped(console):
            status, result = command.run(options, console)
    except RequestError as error:
        console.print(f"vadray {known.command}: {error}", style=log.ERROR, markup=False)
        return WRONG_REQUEST
    except KeyboardInterrupt:
        console.print(
            f"vadray {known.command}: interrupted; the same command goes on from here", markup=False
        )
        return INTERRUPTED
    except VadrayError as error:
        console.print(f"vadray {known.command}: {error}", style=log.ERROR, markup=False)
        return next((status for kind, status in STATUS.items() if isinstance(error, kind)), FAILED)
    print(json.dumps(result), flush=True)
    return status


def build_parser() -> argparse.ArgumentParser:
    """Parser of all commands; every option of a command is a flag and a `key=value`."""
    parser = argparse.ArgumentParser(
        prog="vadray", description="Finds what looks wrong in an archive of images and video."
    )
    parser.add_argument("--version", action="version", version=f"vadray {__version__}")
    shtab.add_argument_to(
        parser, "--print-completion", help="print a script by which a shell completes commands"
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, command in COMMANDS.items():
        sub = subparsers.add_parser(
            name,
            help=command.help,
            description=command.help,
            usage=" ".join(
                ["%(prog)s [options]", *(p.upper() for p in command.positional), "[key=value ...]"]
            ),
            epilog="Every option can be given as key=value too.",
        )
        sub.add_argument("--config", metavar="FILE", help="flat YAML file of options")
        for field_name, field in command.options.model_fields.items():
            _add_flag(sub, field_name, field)
        sub.add_argument(
            "arguments", nargs="*", metavar=" ".join(p.upper() for p in command.positional) or "key=value"
        )
    return parser


def _add_flag(parser: argparse.ArgumentParser, name: str, field: Any) -> None:
    flag = _flag(name)
    default = field.get_default(call_default_factory=True)
    shown = "" if field.is_required() or default in (None, False, [], {}) else f" (default {default})"
    text = f"{field.description or ''}{shown}".replace("%", "%%")
    kinds = {kind for kind in (get_args(field.annotation) or (field.annotation,)) if kind is not NoneType}
    if kinds == {bool}:
        parser.add_argument(
            flag, dest=f"option_{name}", action=argparse.BooleanOptionalAction, default=None, help=text
        )
    else:
        action = "append" if get_origin(field.annotation) is list else "store"
        literals = [field.annotation, *kinds]
        choices = [str(one) for kind in literals if get_origin(kind) is Literal for one in get_args(kind)]
        metavar = "|".join(dict.fromkeys(choices)) or name.upper()
        parser.add_argument(
            flag, dest=f"option_{name}", action=action, metavar=metavar.replace("%", "%%"), help=text
        )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _overrides(command: Command, known: argparse.Namespace, rest: list[str]) -> dict[str, Any]:
    """Values from the command line: positional arguments, flags, then key=value."""
    unknown = [argument for argument in rest if argument.startswith("-")]
    if unknown:
        flag = unknown[0].partition("=")[0]
        near = difflib.get_close_matches(flag, [_flag(name) for name in command.options.model_fields], n=1)
        hint = f"did you mean {near[0]}?" if near else f"see `vadray {known.command} --help`"
        raise RequestError(f"unknown option {flag}: {hint}")
    words = [*known.arguments, *rest]
    values: dict[str, Any] = {}
    positional = list(command.positional)
    for word in words:
        key = word.partition("=")[0]
        if "=" in word and key.replace("-", "_").isidentifier():
            continue
        if not positional:
            raise RequestError(f"argument {word!r}: expected key=value")
        values[positional.pop(0)] = word
    for name in command.options.model_fields:
        given = getattr(known, f"option_{name}", None)
        if given is not None:
            values[name] = given if isinstance(given, list | bool) else parse_value(given)
    for word in words:
        if "=" in word and word.partition("=")[0].replace("-", "_").isidentifier():
            key, value = parse_pair(word)
            values[key] = value
    return values


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does. `commands` set it again after Ray has set its own handler."""
    before = signal.getsignal(signal.SIGTERM)
    interrupt_on_sigterm()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
