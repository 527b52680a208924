"""Request targets and file paths: splitting, decoding once, and staying inside a folder.

A target's path is cut at its literal slashes first, then each segment is decoded, so that an
encoded slash never separates. In the resulting path it is still written ``%2F``; a segment that
really contains that text has its percent sign written ``%25``, which keeps
:func:`join_segments` and :func:`split_segments` inverse to each other.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from io import FileIO
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from . import exceptions
from .exceptions import BadRequest
from .headers import to_wire

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Docroot",
    "Target",
    "is_below",
    "join_segments",
    "mount",
    "normalise",
    "open_file",
    "parse_target",
    "resolve",
    "split_segments",
    "unescape_segment",
]

#: Errors that tell nothing about a file: the system is short of something, or broken.
SYSTEM_ERRORS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EIO, errno.ESTALE, errno.EINTR}
)

#: So that no pipe is waited for, and no link followed; not every system has these.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_REAL = _AT_ONCE | getattr(os, "O_NOFOLLOW", 0)


def open_file(path: str, *, is_real: bool = False) -> tuple[FileIO, os.stat_result]:
    """Open a regular file, and nothing else: a pipe or a device may block, or worse.

    Args:
        path: Its path.
        is_real: Whether it was found to be one, and no link; a link that has taken its place since
            is not followed.

    Returns:
        The file, without a buffer, and what the system knows of it.

    Raises:
        OSError: It cannot be opened, or is something else.
        ValueError: There is a NUL in the path.
    """
    if not is_real and not stat.S_ISREG(os.stat(path).st_mode):
        raise FileNotFoundError(errno.ENOENT, "not a regular file", path)
    file = FileIO(path, opener=_open_real if is_real else _open_at_once)
    try:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(errno.ENOENT, "not a regular file", path)
    except BaseException:
        file.close()
        raise
    return file, status


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | _AT_ONCE)


def _open_real(path: str, flags: int) -> int:
    return os.open(path, flags | _REAL)


_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x20\x7f#]").search
_TEXT_LIKE_SLASH = re.compile(r"%(?=(?:25)*2[Ff])")
_SLASH = re.compile(r"%((?:25)*)2([Ff])")
_ABSOLUTE = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?]*)")


class Target(NamedTuple):
    """A request target, taken apart."""

    path: str
    """Decoded path, as ``request.path`` has it; ``"*"`` for the asterisk form."""
    raw_path: str
    """The path as it was sent."""
    qs: str
    """The query, without the question mark; not decoded."""
    authority: str | None
    """Host and port of an absolute target; they override the ``Host`` header."""
    redirect: str | None
    """The normalised path, encoded for a ``Location``, if there were dot segments."""


_new_target = tuple.__new__  # half the time of calling the class


def parse_target(target: str, method: str = "GET") -> Target:
    """Take a request target apart.

    Args:
        target: The target as it stood in the request line; bytes above 127 as latin-1.
        method: The request's method, which decides on the asterisk and authority forms.

    Raises:
        BadRequest: If the target is malformed or not UTF-8.
        NotImplemented: For ``CONNECT``.
    """
    path, _, qs = target.partition("?")
    if (
        path[:1] == "/"
        and "%" not in path
        and "/." not in path
        and target.isascii()
        and target.isprintable()
        and " " not in target
        and "#" not in target
        and method != "CONNECT"
    ):
        return _new_target(Target, (path, path, qs, None, None))
    return _parse_target(target, method)


def _parse_target(target: str, method: str) -> Target:
    if not target or _CONTROL(target) is not None:
        raise BadRequest("The request target holds a fragment, a blank or a control character.")
    if method == "CONNECT":
        raise exceptions.NotImplemented("This server is no proxy.")
    if not target.isascii():
        target = _utf8(to_wire(target))
    path, _, qs = target.partition("?")
    authority = None
    if path[0] != "/":
        if path == "*":
            if method != "OPTIONS":
                raise BadRequest("Only OPTIONS can be asked of the whole server.")
            return Target(path, path, qs, None, None)
        absolute = _ABSOLUTE.match(path)
        if absolute is None or absolute[1].lower() not in ("http", "https"):
            raise BadRequest("The request target is neither a path nor an HTTP URL.")
        authority = absolute[2]
        if not authority or "@" in authority:
            raise BadRequest("The request target names no host, or a user.")
        path = path[absolute.end() :] or ("*" if method == "OPTIONS" and not qs else "/")
        if path == "*":
            return Target(path, path, qs, authority, None)
    segments = [_decode(segment) for segment in path.split("/")]
    redirect = None
    if "." in segments or ".." in segments:
        redirect = "/".join([quote(segment, safe="") for segment in normalise(segments)])
    return Target(join_segments(segments), path, qs, authority, redirect)


def _utf8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise BadRequest("The request target is not UTF-8.") from None


def _decode(segment: str) -> str:
    if "%" not in segment:
        return segment
    if _BAD_ESCAPE.search(segment) is not None:
        raise BadRequest("A percent sign in the request target is not followed by two hex digits.")
    return _utf8(unquote_to_bytes(segment))


def normalise(segments: Sequence[str]) -> list[str]:
    """Resolve the dot segments of an absolute path; climbing stops at the root.

    Args:
        segments: What a split at slashes gives, so the first one is empty.

    Returns:
        Segments of the same form, that never begin with two slashes when they are joined: a
        browser takes ``//name`` for another host.
    """
    result: list[str] = []
    for segment in segments[1:]:
        if segment == "..":
            if result:
                result.pop()
        elif segment != "." and (segment or result):
            result.append(segment)
    if segments[-1] in ("", ".", "..") and (not result or result[-1]):
        result.append("")
    return ["", *result]


def join_segments(segments: Sequence[str]) -> str:
    """Join decoded segments to a path."""
    path = "/".join(segments)
    if "%" in path or path.count("/") >= len(segments):
        path = "/".join(
            [_TEXT_LIKE_SLASH.sub("%25", segment).replace("/", "%2F") for segment in segments]
        )
    return path


def _unescape(match: re.Match[str]) -> str:
    return f"%{match[1][2:]}2{match[2]}" if match[1] else "/"


def unescape_segment(segment: str) -> str:
    """One segment of a request's path as text: a ``%2F`` becomes a slash."""
    return _SLASH.sub(_unescape, segment)


def mount(path: str) -> str:
    """A prefix as it stands before a path: with a slash before, none behind."""
    return "/".join(["", *filter(None, path.split("/"))])


def is_below(path: str, prefix: str) -> bool:
    """Whether a path begins with all segments of a :func:`mount`; ``"*"`` is below none."""
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("/", "")


def split_segments(path: str) -> list[str]:
    """The decoded segments of a request's path, without the empty ones."""
    segments = [segment for segment in path.split("/") if segment]
    if "%" in path:
        segments = [unescape_segment(segment) for segment in segments]
    return segments


def _is_allowed(segment: str, dotfiles: bool) -> bool:
    """Whether a decoded segment may be the name of a file."""
    return not (
        "\0" in segment
        or "/" in segment
        or os.sep in segment
        or (os.altsep is not None and os.altsep in segment)
        or segment in (".", "..")
        or (segment[:1] == "." and not dotfiles)
        or (os.name == "nt" and (":" in segment or segment != segment.rstrip(". ")))
    )


def resolve(docroot: str, segments: Sequence[str], *, dotfiles: bool = False) -> str | None:
    """The file that decoded segments lead to, if it is inside a folder.

    Symbolic links are followed, and what they lead to must be inside as well. Whether the file
    exists is not looked at.

    Args:
        docroot: The folder.
        segments: Decoded path segments; empty ones are ignored.
        dotfiles: Whether names that begin with a dot are allowed.

    Returns:
        An absolute path without symbolic links, or ``None`` where nothing may be served.
    """
    if not all(_is_allowed(segment, dotfiles) for segment in segments):
        return None
    root = os.path.realpath(docroot)
    try:
        path = os.path.realpath(os.path.join(root, *[s for s in segments if s]))
        inside = os.path.commonpath([root, path]) == root
    except (ValueError, OSError):  # another drive, a name that cannot be encoded, a link loop
        return None
    if not inside:
        return None
    if not dotfiles and path != root:
        # A link may lead to a hidden file that its own name does not betray.
        if any(part.startswith(".") for part in os.path.relpath(path, root).split(os.sep)):
            return None
    return path


class Docroot:
    """A folder whose files are looked up often: as :func:`resolve`, for fewer system calls.

    The real path of the folder is kept for as long as its name leads to the same folder. Below
    it each segment is looked at once; what has no symbolic link on its way needs no resolving.

    Args:
        path: The folder.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._real = ""
        self._identity: tuple[int, int] | None = None

    def find(
        self, segments: Sequence[str], *, dotfiles: bool = False
    ) -> tuple[str, os.stat_result] | None:
        """Look up what decoded segments lead to.

        Args:
            segments: As for :func:`resolve`.
            dotfiles: As for :func:`resolve`.

        Returns:
            The path without symbolic links and what ``os.stat`` says of it; ``None`` if there is
            no such file, or none that may be served.

        Raises:
            OSError: The system cannot tell; see ``SYSTEM_ERRORS``.
        """
        # Elsewhere there are more ways to lead astray than what a stat calls a link.
        if os.name == "posix":
            for segment in segments:
                if not _is_allowed(segment, dotfiles):
                    return None
            try:
                path, status = self._locate()
                for segment in segments:
                    if segment:
                        path = f"{path}/{segment}"
                        status = os.lstat(path)
                        if stat.S_ISLNK(status.st_mode):
                            break
                else:
                    return path or "/", status
            except (OSError, ValueError) as problem:
                _check_absence(problem)
                return None
        found = resolve(self.path, segments, dotfiles=dotfiles)
        if found is None:
            return None
        try:
            return found, os.stat(found)
        except (OSError, ValueError) as problem:
            _check_absence(problem)
            return None

    def _locate(self) -> tuple[str, os.stat_result]:
        """The real path of the folder, without a slash at its end, and what a stat says of it."""
        status = os.stat(self.path)
        identity = (status.st_dev, status.st_ino)
        if identity == self._identity:
            if self._real == self.path:
                return self._real, status
            # What the name leads to may have moved along with the folder, and leave its old place
            # to something else.
            status = os.stat(self._real or "/")
            if identity == (status.st_dev, status.st_ino):
                return self._real, status
        self._real = os.path.realpath(self.path).rstrip("/")
        status = os.stat(self._real or "/")
        self._identity = (status.st_dev, status.st_ino)
        return self._real, status


def _check_absence(problem: OSError | ValueError) -> None:
    """Raise, unless this means that there is no such file that may be served."""
    if isinstance(problem, OSError) and problem.errno in SYSTEM_ERRORS:
        raise problem
