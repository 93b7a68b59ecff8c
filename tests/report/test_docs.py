"""What is written of the tables is what they hold."""

import re
from pathlib import Path

import pytest

from vadray.report.schemas import TABLES

TEXT = (Path(__file__).parents[2] / "docs" / "tables.md").read_text()


@pytest.mark.parametrize("table", list(TABLES))
def test_every_column_is_told_of_in_order(table):
    part = TEXT.split(f"\n`{table}`, a row", 1)[1].split("\n\n`", 1)[0]
    cells = [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]
    assert re.findall(r"`(\w+)`", " ".join(cells)) == TABLES[table].names
