"""A shell completes commands and options."""

import subprocess

import pytest

from vadray import cli


@pytest.mark.parametrize(
    ("words", "expected"),
    [(["vadray", "swe"], {"sweep"}), (["vadray", "sweep", "--unit-"], {"--unit-frames", "--unit-images"})],
)
def test_bash_completes(words, expected, capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--print-completion", "bash"])
    assert ended.value.code == 0
    (tmp_path / "vadray.sh").write_text(capsys.readouterr().out)
    script = (
        f"source {tmp_path}/vadray.sh; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; "
        '_shtab_vadray; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == expected, done.stderr
