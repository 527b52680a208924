"""Contexts of :mod:`ssl` for the TLS options of sockets."""

from __future__ import annotations

import os
import ssl
from typing import Any

__all__ = ["client_context", "server_context"]

#: The constants of :mod:`ssl` that mean: agree on a version. 2 is PROTOCOL_TLS.
_ANY_VERSION = (None, 2, ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER)
_TLS_1_2 = 5  # PROTOCOL_TLSv1_2, which is deprecated to name

#: Contexts of clients by their options and the age of their files: to load the certificates of
#: the system takes longer than to connect.
_clients: dict[Any, ssl.SSLContext] = {}
_CLIENTS = 16


def server_context(
    *,
    certfile: Any,
    keyfile: Any = None,
    cert_reqs: int = ssl.CERT_NONE,
    ssl_version: Any = None,
    ca_certs: Any = None,
    alpn_protocols: Any = None,
) -> ssl.SSLContext:
    """Make the context of a server.

    Raises:
        OSError: A file cannot be read, or is not what it should be.
        ValueError: ``ssl_version`` is too old.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _minimum(ssl_version)
    # Whoever wants other keys connects again; TLS 1.3 has abandoned it altogether.
    context.options |= ssl.OP_NO_RENEGOTIATION
    _load_chain(context, certfile, keyfile)
    if ca_certs is not None:
        _add_roots(context, ca_certs)
    context.verify_mode = ssl.VerifyMode(cert_reqs)
    if alpn_protocols:
        context.set_alpn_protocols(list(alpn_protocols))
    return context


def client_context(
    *,
    certfile: Any = None,
    keyfile: Any = None,
    cert_reqs: int | None = None,
    ssl_version: Any = None,
    ca_certs: Any = None,
    check_hostname: bool | None = None,
    alpn_protocols: Any = None,
) -> ssl.SSLContext:
    """Make the context of a client, or find one with the same options.

    Args:
        certfile: Certificate, and perhaps key, to show if asked.
        keyfile: The key.
        cert_reqs: ``CERT_NONE`` accepts whatever the server shows.
        ssl_version: The oldest version; ``None`` is TLS 1.2.
        ca_certs: A file or folder of certificates to trust besides those of the system.
        check_hostname: Whether the certificate must be for the host; ``None`` means
            if certificates are looked at.
        alpn_protocols: Names of protocols to propose, the best first.

    Raises:
        OSError: A file cannot be read, or is not what it should be.
        ValueError: ``ssl_version`` is too old.
    """
    files = (certfile, keyfile, ca_certs)
    ages = tuple(None if path is None else os.stat(path).st_mtime_ns for path in files)
    key = (
        *map(str, files),
        ages,
        cert_reqs,
        ssl_version,
        check_hostname,
        tuple(alpn_protocols or ()),
    )
    context = _clients.get(key)
    if context is not None:
        return context
    context = ssl.create_default_context()
    context.minimum_version = _minimum(ssl_version)
    context.options |= ssl.OP_NO_RENEGOTIATION
    if cert_reqs is not None or check_hostname is not None:
        verify = ssl.CERT_REQUIRED if cert_reqs is None else ssl.VerifyMode(cert_reqs)
        checks = verify != ssl.CERT_NONE if check_hostname is None else check_hostname
        context.check_hostname = False  # it must not be on while the mode changes
        context.verify_mode = verify
        context.check_hostname = checks
    if ca_certs is not None:
        _add_roots(context, ca_certs)
    if certfile is not None:
        _load_chain(context, certfile, keyfile)
    if alpn_protocols:
        context.set_alpn_protocols(list(alpn_protocols))
    if len(_clients) >= _CLIENTS:
        _clients.clear()
    _clients[key] = context
    return context


def _add_roots(context: ssl.SSLContext, path: Any) -> None:
    if os.path.isdir(path):
        context.load_verify_locations(capath=path)
    else:
        context.load_verify_locations(cafile=path)


def _minimum(version: Any) -> ssl.TLSVersion:
    if isinstance(version, ssl.TLSVersion):
        if version is ssl.TLSVersion.MINIMUM_SUPPORTED:
            return ssl.TLSVersion.TLSv1_2
        if version >= ssl.TLSVersion.TLSv1_2:
            return version
    elif version in _ANY_VERSION or version == _TLS_1_2:
        return ssl.TLSVersion.TLSv1_2
    raise ValueError(
        f"ssl_version must be at least TLS 1.2, not {version!r}; else pass a context of your own"
    )


def _load_chain(context: ssl.SSLContext, certfile: Any, keyfile: Any) -> None:
    """Load certificate and key, with an error that says which file is wrong, and why."""
    try:
        context.load_cert_chain(certfile, keyfile)
    except ssl.SSLError as problem:
        text = f"{problem.strerror}: {_wrong_file(problem, certfile, keyfile)}"
        told = ssl.SSLError(problem.errno, text)
        told.library, told.reason = problem.library, problem.reason
        raise told from None
    except OSError:
        for name in (certfile, keyfile or certfile):
            _read(name)  # raises it with the name
        raise


def _wrong_file(problem: ssl.SSLError, certfile: Any, keyfile: Any) -> str:
    holder = keyfile or certfile
    shown = f"{'keyfile' if keyfile else 'certfile'} {os.fsdecode(holder)!r}"
    certificate = b"CERTIFICATE-----"
    if certificate not in _read(certfile):
        text = f"certfile {os.fsdecode(certfile)!r} holds no certificate"
        return f"{text}, keyfile does: are they swapped?" if certificate in _read(holder) else text
    if b"PRIVATE KEY-----" not in _read(holder):
        return f"{shown} holds no private key" + ("" if keyfile else ", and there is no keyfile")
    if problem.reason == "KEY_VALUES_MISMATCH":
        return f"the key in {shown} is not that of the certificate in {os.fsdecode(certfile)!r}"
    return f"certfile {os.fsdecode(certfile)!r}, {shown}"


def _read(name: Any) -> bytes:
    with open(name, "rb") as file:
        return file.read()
