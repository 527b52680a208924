"""Constants that the modules of :mod:`circuits.web` share."""

from __future__ import annotations

from typing import Final

from circuits._version import __version__

from ._status import REASONS

__all__ = [
    "DEFAULT_ERROR_MESSAGE",
    "HTTP_STATUS_CODES",
    "POWERED_BY",
    "SERVER_PROTOCOL",
    "SERVER_URL",
    "SERVER_VERSION",
]

SERVER_PROTOCOL: Final = (1, 1)
SERVER_VERSION: Final = f"circuits/{__version__}"
SERVER_URL: Final = "https://pypi.org/project/circuits/"
HTTP_STATUS_CODES: Final = REASONS

#: Page of :class:`~circuits.web.errors.HTTPError`. All values must be markup when they are put in;
#: ``footer`` is :data:`POWERED_BY` or nothing.
DEFAULT_ERROR_MESSAGE: Final = """\
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN"
 "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" lang="en">
<head>
 <meta http-equiv="Content-Type" content="text/html; charset=utf-8" />
 <meta name="viewport" content="width=device-width, initial-scale=1" />
 <meta name="color-scheme" content="light dark" />
 <title>%(code)s %(name)s</title>
 <style type="text/css">
  body { font-family: sans-serif; max-width: 50em; margin: 2em auto; padding: 0 1em; }
  #traceback { color: #a00; overflow: auto; }
  @media (prefers-color-scheme: dark) { #traceback { color: #f99; } }
  #powered_by { border-top: 1px solid #888; font-size: smaller; font-style: italic; }
 </style>
</head>
<body>
 <h1>%(name)s</h1>
 %(description)s
 <pre id="traceback">%(traceback)s</pre>
%(footer)s</body>
</html>
"""

POWERED_BY: Final = """\
 <div id="powered_by">Powered by <a href="%(url)s">%(version)s</a></div>
"""
