"""Rows in which another commit of this repository is the only rival: has a change made something slower?

Both sides get an environment that is made in the same way, so that nothing but the sources differs: the packages are those of the
environment that runs the comparison, and the contenders are those of the working tree.
"""

from __future__ import annotations

import io
import subprocess
import sysconfig
import tarfile
import venv
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks.harness import ENVIRONMENTS, ROOT, Bound, Failed, Row, python_of

#: What 15 rounds can tell from the noise of a shared machine.
_AT_LEAST: Final = 0.97
_THIS: Final = "this"


def against_base(rows: Iterable[Row], revision: str) -> list[Row]:
    """Make the environments, and of each program of ours in the rows a row of its own.

    Raises:
        Failed: There is no such revision.
    """
    commit = _git("rev-parse", "--verify", f"{revision}^{{commit}}").decode().strip()[:12]
    env = f"base-{commit}"
    _make_environment(_THIS, ROOT / "src")
    with tarfile.open(fileobj=io.BytesIO(_git("archive", commit, "src"))) as archive:
        tree = ENVIRONMENTS / f"tree-{commit}"
        archive.extractall(tree, filter="data")
    _make_environment(env, tree / "src")
    return list(rows_against(rows, env, f"base {revision}"))


def rows_against(rows: Iterable[Row], env: str, name: str) -> Iterator[Row]:
    """A row for each program of ours: here, and in another environment, which is given its name."""
    seen = set()
    for row in rows:
        ours = [contender for contender in row.contenders if contender.env == "here"]
        at_least = 1 / _AT_LEAST if row.less_is_better else _AT_LEAST
        for contender in ours:
            program = (contender.script, contender.arguments, contender.load)
            if program in seen:
                continue  # rows that compare sizes have programs of other rows
            seen.add(program)
            yield Row(
                row.name if len(ours) == 1 else f"{row.name} ({contender.name})",
                row.title,
                row.unit,
                (
                    replace(contender, name="here", env=_THIS),
                    replace(contender, name=name, env=env),
                ),
                (Bound(name, at_least),),
                row.less_is_better,
            )


def _make_environment(env: str, source: Path) -> None:
    """An interpreter that imports circuits from a folder, and all else from where we do."""
    folder = ENVIRONMENTS / env
    venv.create(folder, clear=True, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "circuits.pth").write_text(f"{source}\n{sysconfig.get_path('purelib')}\n")
    found = subprocess.run(
        [python_of(env), "-I", "-c", "import circuits; print(circuits.__file__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    if not Path(found.stdout).is_relative_to(source):
        raise Failed(f"{env} imports circuits from {found.stdout.strip()}")


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise Failed(done.stderr.decode(errors="replace").strip())
    return done.stdout
