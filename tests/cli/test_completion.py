"""Completion: made from the parsers, and tried with the shells that are there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from circuits.cli import COMMANDS, command, main
from circuits.cli.completion import SHELLS

_BASH = shutil.which("bash")


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.fixture
def complete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Function that has bash complete a line, and gives what it offers."""
    if _BASH is None:
        pytest.skip("needs bash")
    bash = _BASH
    file = tmp_path / "completion.bash"
    file.write_text(script("bash", capsys))
    (tmp_path / "some file.rec").touch()
    (tmp_path / "some.rec").touch()

    def offers(*words: str) -> list[str]:
        program = f"""
            source {file}
            COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 ))
            function=$(complete -p "${{1##*/}}" | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
            $function "$1" "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        done = subprocess.run(
            [bash, "--norc", "-c", program, "bash", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        assert done.stderr == ""
        return [line for line in done.stdout.splitlines() if line]

    return offers


@pytest.mark.process
def test_bash_offers_the_commands(complete: Callable[..., list[str]]) -> None:
    assert complete("circuits", "") == [*COMMANDS, "--help", "--version"]
    assert complete("circuits", "mi") == ["migrate"]
    assert complete("/usr/bin/circuits", "mi") == ["migrate"]


@pytest.mark.process
@pytest.mark.parametrize("name", COMMANDS)
def test_bash_offers_every_option(complete: Callable[..., list[str]], name: str) -> None:
    options = {o for a in command(name).make_parser()._actions for o in a.option_strings}
    assert set(complete("circuits", name, "-")) == options


@pytest.mark.process
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("circuits", "web", "--interf"), ["--interface"]),
        (("circuits", "web", "--interface", ""), ["auto", "component", "wsgi", "asgi"]),
        (("circuits", "web", "--interface", "="), ["auto", "component", "wsgi", "asgi"]),
        (("circuits", "web", "--interface", "=", "w"), ["wsgi"]),
        (("circuits", "web", "--workers", ""), []),
        (("circuits.web", "--interf"), ["--interface"]),
        (("circuits.web", "--interface", "a"), ["auto", "asgi"]),
        (("circuits.bench", "-m", "sp"), ["speed"]),
        (("circuits.sniff", "--err"), ["--errors"]),
        (("circuits", "completion", ""), ["bash", "fish", "zsh"]),
        (("circuits", "replay", "some"), ["some file.rec", "some.rec"]),
        (("circuits", "replay", "some.rec", "--test", "some."), ["some.rec"]),
        (("circuits", "graph", "some"), []),
        (("circuits", "nothing", "-"), []),
    ],
)
def test_bash_offers_what_fits(
    complete: Callable[..., list[str]], words: tuple[str, ...], offered: list[str]
) -> None:
    assert sorted(complete(*words)) == sorted(offered)


@pytest.mark.process
@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_printed_is_a_script(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = script(shell, capsys)
    for name in COMMANDS:
        assert name in text
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"needs {shell}")
    file = tmp_path / "script"
    file.write_text(text)
    no_rc = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    subprocess.run([program, *no_rc, "-n", str(file)], check=True, timeout=20)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_know_every_option(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = script(shell, capsys)
    for name in COMMANDS:
        for action in command(name).make_parser()._actions:
            for option in action.option_strings:
                is_long = option.startswith("--")
                wanted = {
                    "zsh": option,
                    "fish": f"-l {option[2:]}" if is_long else f"-s {option[1:]}",
                }
                assert wanted[shell] in text, (name, option)


def test_quotes_in_help_do_not_end_anything(capsys: pytest.CaptureFixture[str]) -> None:
    assert "this proxy, an address, a network or \\'unix\\'" in script("fish", capsys)
    assert "a network or '\\''unix'\\''" in script("zsh", capsys)


def test_a_shell_that_is_not_known_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["completion", "tcsh"])
    assert ended.value.code == 2
    assert "'bash', 'fish', 'zsh'" in capsys.readouterr().err


def test_help_says_where_to_put_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["completion", "--help"])
    output = capsys.readouterr().out
    assert 'eval "$(circuits completion bash)"' in output
    assert "~/.config/fish/completions/circuits.fish" in output
