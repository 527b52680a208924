"""Static: files and folders as resources (manual: circuits.web.dispatchers.static)."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from circuits.core._reports import log_diagnosis
from circuits.core.components import BaseComponent
from circuits.core.handlers import handler
from circuits.web import _file_response, _paths, errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from circuits.web.wrappers import Request, Response

__all__ = ["Static"]

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="{encoding}">
<meta name="viewport" content="width=device-width">
<title>Index of {folder}</title>
<style>
body {{ font-family: sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }}
ul {{ list-style: none; padding: 0; }}
li {{ display: flex; gap: 1em; line-height: 1.8; border-bottom: 1px solid #8884; }}
li a {{ flex: 1; overflow-wrap: anywhere; text-decoration: none; }}
li a:hover {{ text-decoration: underline; }}
span, time {{ color: GrayText; font-variant-numeric: tabular-nums; white-space: nowrap; }}
span {{ min-width: 6em; text-align: right; }}
@media (max-width: 35em) {{
  li {{ flex-wrap: wrap; gap: 0 1em; }} li a {{ flex-basis: 100%; }} span {{ text-align: left; }}
}}
:root {{ color-scheme: light dark; }}
</style>
</head>
<body>
<h1>Index of {folder}</h1>
<ul>
{entries}
</ul>
</body>
</html>
"""

#: Characters that may stand in a path as they are; "%" because the path is encoded already.
_SAFE = "%:@!$&'()*+,;=~"


class Static(BaseComponent):
    """Serves the files below a folder.

    A request for something that is not there is left to others, so a controller may answer under
    the same prefix. What lies outside the folder, also by way of symbolic links, is not there.

    Handles ``request`` as a filter with priority 0.9, which is before any dispatcher.

    Args:
        path: Prefix of the URLs, such as ``"/static"``; whole segments have to match. ``None``
            is every URL.
        docroot: The folder; ``None`` is the working directory at this moment.
        defaults: Names of files to look for where a folder is requested.
        dirlisting: Whether to answer with a list of the files where a folder has no default.
        dotfiles: Whether names that begin with a dot are served and listed.
        **kwargs: For the component, such as ``channel``.

    .. versionchanged:: 2.1
       ``dotfiles`` is new; hidden files used to be served always.
    """

    channel = "web"

    def __init__(
        self,
        path: str | None = None,
        docroot: str | os.PathLike[str] | None = None,
        defaults: Sequence[str] = ("index.html", "index.shtml"),
        dirlisting: bool = False,
        *,
        dotfiles: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.docroot = os.path.abspath(os.getcwd() if docroot is None else docroot)
        if not os.path.isdir(self.docroot):
            log_diagnosis(f"Static has nothing to serve: there is no folder {self.docroot}")
        self._folder = _paths.Docroot(self.docroot)
        self.defaults = (defaults,) if isinstance(defaults, str) else tuple(defaults)
        self.dirlisting = dirlisting
        self.dotfiles = dotfiles

    @property
    def path(self) -> str | None:
        """Prefix of the paths that are served; ``None`` is all."""
        return self._path

    @path.setter
    def path(self, path: str | None) -> None:
        self._path = path
        self._mount = _paths.mount(path or "")

    @handler("request", filter=True, priority=0.9)
    def _on_request(self, request: Request, response: Response, peer_cert: Any = None) -> Any:
        path = request.path
        if not path.startswith(self._mount) and "%" not in path and "//" not in path:
            return None  # as of most requests that are for others
        try:
            segments = self._own_segments(path)
            if segments is None:
                return None
            found = self._find(segments)
            if found is None:
                return None
            target, status = found
            has_slash = path.endswith("/")
            file: str | None = target
            if stat.S_ISDIR(status.st_mode):
                file = self._find_default(segments)
                if file is None and not self.dirlisting:
                    return None
            elif has_slash or not stat.S_ISREG(status.st_mode):
                # A device; or "/page.html/", where relative links would be wrong.
                return None
            if request.method not in ("GET", "HEAD"):
                response.headers["Allow"] = "GET, HEAD"
                self.fire(errors.HTTPError(request, response, 405))
                return True
            if file != target and not has_slash:
                return errors.Redirect(request, response, [_with_slash(request)], 301)
            if file is None:
                return self._list(request, response, target, segments)
            if request._cookie is not None:  # caches shall keep files, whatever Sessions did
                response.cookie.clear()
            return _file_response.serve_real_file(request, response, file)
        except OSError as problem:  # the system cannot tell what is there
            return _file_response.refuse_file(request, response, problem)

    # -- from paths to files -----------------------------------------------------------------

    def _own_segments(self, path: str) -> list[str] | None:
        """The segments below our prefix; ``None`` if the path is not ours."""
        if path[:1] != "/":  # "*"
            return None
        segments = _paths.split_segments(path)
        prefix = self._mount.split("/")[1:]
        if segments[: len(prefix)] != prefix:
            return None
        del segments[: len(prefix)]
        return segments

    def _find(self, segments: Sequence[str]) -> tuple[str, os.stat_result] | None:
        folder = self._folder
        if folder.path != self.docroot:
            folder = self._folder = _paths.Docroot(self.docroot)
        return folder.find(segments, dotfiles=self.dotfiles)

    def _find_default(self, segments: Sequence[str]) -> str | None:
        for name in self.defaults:
            found = self._find([*segments, name])
            if found is not None and stat.S_ISREG(found[1].st_mode):
                return found[0]
        return None

    # -- listings ----------------------------------------------------------------------------

    def _list(
        self, request: Request, response: Response, folder: str, segments: list[str]
    ) -> str | errors.HTTPError:
        """Make the page that lists a folder. Links are relative, so it works at any prefix."""
        try:
            names = sorted(os.listdir(folder))
        except OSError as problem:
            return _file_response.refuse_file(request, response, problem)
        entries = ['<li><a href="../">..</a></li>'] if segments else []
        for name in names:
            found = self._find([*segments, name])
            if found is None:
                continue
            try:
                link = quote(name, safe="")
            except UnicodeEncodeError:  # not UTF-8 on disk: no request can name it
                continue
            status = found[1]
            is_folder = stat.S_ISDIR(status.st_mode)
            slash = "/" if is_folder else ""
            entry = (
                f'<li><a href="{link}{slash}">{escape(name)}{slash}</a>'
                f"<span>{'' if is_folder else _size(status.st_size)}</span>{_date(status)}</li>"
            )
            entries.append(entry)
        page = _PAGE.format(
            encoding=escape(response.encoding),
            folder=escape(request.path),
            entries="\n".join(entries),
        )
        # A name may need characters that the encoding of the server lacks.
        return page.encode(response.encoding, "xmlcharrefreplace").decode(response.encoding)


def _size(count: int) -> str:
    """A number of bytes as people read it."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _date(status: os.stat_result) -> str:
    """When something was changed, in UTC, as a page shows it."""
    try:
        moment = datetime.fromtimestamp(status.st_mtime, UTC)
    except (OverflowError, OSError, ValueError):  # no such year
        return ""
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{moment:%Y-%m-%d %H:%M}</time>'


def _with_slash(request: Request) -> str:
    """The path as the client knows it, with a slash at its end.

    Empty segments are left out: a Location that begins with two slashes is another host.
    """
    segments = [quote(segment, safe=_SAFE) for segment in request.raw_path.split("/") if segment]
    path = f"{request.script_name}/{'/'.join(segments)}/"
    return f"{path}?{request.qs}" if request.qs else path
