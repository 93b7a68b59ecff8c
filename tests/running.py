"""A command as a user runs it, in this process."""

import json

from vadray import cli


def run(capsys, *arguments) -> tuple[int, dict, str]:
    """Exit status, the JSON result ({} where there is none), and what was said to a person."""
    status = cli.main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    lines = printed.out.strip().splitlines()
    return status, json.loads(lines[-1]) if lines else {}, printed.err
