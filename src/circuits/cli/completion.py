"""``circuits completion``: what a shell needs to complete the programs of circuits.

The scripts are made from the parsers of the commands, so they know what the commands know.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from . import COMMANDS, command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["SHELLS", "main", "make_parser"]

#: How long what shells show of an option may be.
_LENGTH: Final = 70

#: Commands that are programs of their own, too, as ``circuits.web``.
_PROGRAMS: Final = ("web", "bench", "sniff")

#: What stands for files in the help.
_FILES: Final = frozenset({"FILE", "PATH", "DOCROOT", "FOLDER", "DIRECTORY"})


def make_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="circuits completion",
        description="Print a script that makes a shell complete circuits and its commands, and "
        "circuits.web, circuits.bench and circuits.sniff.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""to have it in every shell from now on:
  bash  echo 'eval "$(circuits completion bash)"' >> ~/.bashrc
  zsh   circuits completion zsh > "${fpath[1]}/_circuits"
  fish  circuits completion fish > ~/.config/fish/completions/circuits.fish""",
    )
    parser.add_argument("shell", choices=sorted(SHELLS), help="for which shell")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Print the script."""
    options = make_parser().parse_args(argv)
    sys.stdout.write(SHELLS[options.shell](list(_commands())))
    return 0


@dataclass
class _Argument:
    """An option, or what is given without one.

    Attributes:
        names: How the option is written; empty for what is given without.
        takes: ``"nothing"``, ``"files"``, ``"words"``, or ``"text"`` that nobody knows.
        words: What may be given.
        summary: Its help, in one line.
        label: What the help calls that which is given.
        repeats: Whether it may be given several times.
    """

    names: list[str]
    takes: str
    words: list[str]
    summary: str
    label: str
    repeats: bool


@dataclass
class _Command:
    """A command: its name, what ``--help`` says of it, and its arguments."""

    name: str
    summary: str
    arguments: list[_Argument]

    @property
    def options(self) -> list[_Argument]:
        return [argument for argument in self.arguments if argument.names]

    @property
    def operands(self) -> list[_Argument]:
        return [argument for argument in self.arguments if not argument.names]


def _commands() -> Iterator[_Command]:
    for name, summary in COMMANDS.items():
        parser = command(name).make_parser()
        yield _Command(name, summary, [_argument(parser, action) for action in parser._actions])


def _argument(parser: argparse.ArgumentParser, action: argparse.Action) -> _Argument:
    words = [str(choice) for choice in action.choices or ()]
    label = str(action.metavar or action.dest.upper())
    takes = "text"
    if action.nargs == 0:
        takes = "nothing"
    elif words:
        takes = "words"
    elif _FILES.intersection(label.split("|")):
        takes = "files"
    text = parser._get_formatter()._expand_help(action) if action.help else ""
    repeats = isinstance(action, argparse._AppendAction) or action.nargs in ("+", "*")
    return _Argument(list(action.option_strings), takes, words, _brief(text), label, repeats)


def _brief(text: str) -> str:
    """The first thing that the help of an option says: there is one line for it."""
    first = " ".join(text.split()).partition(";")[0].partition(" (default")[0]
    return first if len(first) <= _LENGTH else first[: _LENGTH - 3].rpartition(" ")[0] + "..."


# -- bash --------------------------------------------------------------------------------------


_BASH: Final = """# Completion of circuits for bash; made by "circuits completion bash".

_circuits_words() {  # 1: what may be given, 2: what is there
    COMPREPLY=($(compgen -W "$1" -- "$2"))
}

_circuits_files() {
    local IFS=$'\\n'  # names have blanks
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$1"))
}

_circuits_command() {  # 1: the command, 2: what is there, 3: the word before
    case "$1" in
@CASES@
    esac
}

_circuits() {
    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" name="${1##*/}"
    local first=1
    COMPREPLY=()
    if [[ $cur == "=" ]]; then  # --option=
        cur=""
    elif [[ $prev == "=" ]]; then
        prev="${COMP_WORDS[COMP_CWORD-2]}"
    fi
    if [[ $name == circuits.* ]]; then
        _circuits_command "${name#circuits.}" "$cur" "$prev"
        return
    fi
    if (( COMP_CWORD == first )); then
        _circuits_words "@COMMANDS@ --help --version" "$cur"
        return
    fi
    _circuits_command "${COMP_WORDS[first]}" "$cur" "$prev"
}

complete -F _circuits circuits @PROGRAMS@
"""


def _bash(commands: list[_Command]) -> str:
    cases = []
    for one in commands:
        lines = [f"        {one.name})", '            case "$3" in']
        for option in one.options:
            if option.takes != "nothing":
                lines.append(f"                {'|'.join(option.names)}) {_bash_values(option)} ;;")
        lines.append("            esac")
        names = " ".join(name for option in one.options for name in option.names)
        lines.append("            if [[ $2 == -* ]]; then")
        lines.append(f'                _circuits_words "{names}" "$2"')
        operand = next((a for a in one.operands if a.takes in ("files", "words")), None)
        if operand is not None:
            call = '_circuits_files "$2"'
            if operand.takes == "words":
                call = f'_circuits_words "{" ".join(operand.words)}" "$2"'
            lines += ["            else", f"                {call}"]
        lines += ["            fi", "            ;;"]
        cases += lines
    return (
        _BASH.replace("@CASES@", "\n".join(cases))
        .replace("@COMMANDS@", " ".join(one.name for one in commands))
        .replace("@PROGRAMS@", " ".join(f"circuits.{name}" for name in _PROGRAMS))
    )


def _bash_values(option: _Argument) -> str:
    if option.takes == "files":
        return '_circuits_files "$2"; return'
    if option.takes == "words":
        return f'_circuits_words "{" ".join(option.words)}" "$2"; return'
    return "return"


# -- zsh ---------------------------------------------------------------------------------------


_ZSH: Final = """#compdef circuits @PROGRAMS@
# Completion of circuits for zsh; made by "circuits completion zsh".

_circuits_command() {
    case $1 in
@CASES@
    esac
}

_circuits() {
    local curcontext="$curcontext" state line
    if [[ $service == circuits.* ]]; then
        _circuits_command ${service#circuits.}
        return
    fi
    _arguments -C '(- *)'{-h,--help}'[show the commands]' '(- *)--version[print the version]' \\
        '1: :->command' '*:: :->arguments'
    case $state in
        command)
            local -a commands=(
@COMMANDS@
            )
            _describe command commands
            ;;
        arguments)
            _circuits_command $words[1]
            ;;
    esac
}

if [[ $funcstack[1] == _circuits ]]; then
    _circuits "$@"
else
    compdef _circuits circuits @PROGRAMS@
fi
"""


def _zsh(commands: list[_Command]) -> str:
    cases = []
    for one in commands:
        specs = [spec for argument in one.arguments for spec in _zsh_specs(argument)]
        joined = " \\\n                ".join(specs)
        cases.append(f"        {one.name})\n            _arguments -S {joined}\n            ;;")
    described = [f"                {_zsh_quoted(f'{one.name}:{one.summary}')}" for one in commands]
    return (
        _ZSH.replace("@CASES@", "\n".join(cases))
        .replace("@COMMANDS@", "\n".join(described))
        .replace("@PROGRAMS@", " ".join(f"circuits.{name}" for name in _PROGRAMS))
    )


def _zsh_specs(argument: _Argument) -> Iterator[str]:
    values = ""
    if argument.takes != "nothing":
        what = {"files": "_files", "words": f"({' '.join(argument.words)})"}.get(
            argument.takes, " "
        )
        values = f":{_zsh_plain(argument.label)}:{what}"
    if not argument.names:
        yield _zsh_quoted(("*" if argument.repeats else "") + values)
        return
    for name in argument.names:
        others = "" if argument.repeats else f"({' '.join(argument.names)})"
        head = f"*{name}" if argument.repeats else f"{others}{name}"
        joint = "=" if values and name.startswith("--") else ""
        yield _zsh_quoted(f"{head}{joint}[{_zsh_plain(argument.summary)}]{values}")


def _zsh_plain(text: str) -> str:
    for character in "\\[]:":
        text = text.replace(character, f"\\{character}")
    return text


def _zsh_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# -- fish --------------------------------------------------------------------------------------


def _fish(commands: list[_Command]) -> str:
    lines = [
        '# Completion of circuits for fish; made by "circuits completion fish".',
        "",
        "complete -c circuits -f",
        "complete -c circuits -n __fish_use_subcommand -s h -l help -d 'show the commands'",
        "complete -c circuits -n __fish_use_subcommand -l version -d 'print the version'",
    ]
    for one in commands:
        summary = _fish_quoted(one.summary)
        lines.append(f"complete -c circuits -n __fish_use_subcommand -a {one.name} -d {summary}")
    for one in commands:
        begin = f"complete -c circuits -n '__fish_seen_subcommand_from {one.name}'"
        lines += ["", *(f"{begin} {rest}" for rest in _fish_arguments(one))]
        if one.name in _PROGRAMS:
            begin = f"complete -c circuits.{one.name}"
            lines += ["", f"{begin} -f", *(f"{begin} {rest}" for rest in _fish_arguments(one))]
    return "\n".join([*lines, ""])


def _fish_arguments(one: _Command) -> Iterator[str]:
    for option in one.options:
        parts = [
            f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
        ]
        if option.takes == "files":
            parts.append("-r -F")
        elif option.takes == "words":
            parts.append(f"-x -a {_fish_quoted(' '.join(option.words))}")
        elif option.takes == "text":
            parts.append("-x")
        yield f"{' '.join(parts)} -d {_fish_quoted(option.summary)}"
    for operand in one.operands:
        if operand.takes == "files":
            yield "-F"
        elif operand.takes == "words":
            yield f"-a {_fish_quoted(' '.join(operand.words))}"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


#: What makes the script of each shell.
SHELLS: Final[dict[str, Callable[[list[_Command]], str]]] = {
    "bash": _bash,
    "zsh": _zsh,
    "fish": _fish,
}
