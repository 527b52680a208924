#!/usr/bin/env python
"""Over TLS: one file has the certificate and the key. With ``--clients`` who asks must have one, too.

python examples/web/tls.py [-b ADDRESS:PORT] [--clients FILE] CERTIFICATE
"""

from __future__ import annotations

import argparse
import ssl

from circuits.web import Controller, Server


class Root(Controller):
    def index(self, peer_cert=None):
        if not peer_cert:
            return "Hello, whoever you are"
        names = dict(pair for names in peer_cert["subject"] for pair in names)
        return f"Hello {names.get('commonName')}"


def main():
    parser = argparse.ArgumentParser(description="Speaks TLS.")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    parser.add_argument("--clients", metavar="FILE", help="who has signed those of clients")
    parser.add_argument("certificate", help="a PEM file with the certificate and the key")
    options = parser.parse_args()
    extra = {"secure": True, "certfile": options.certificate}
    if options.clients:
        extra.update(cert_reqs=ssl.CERT_REQUIRED, ca_certs=options.clients)
    app = Server(options.bind, **extra) + Root()
    print(f"Serving {app.base}/", flush=True)
    app.run()


if __name__ == "__main__":
    main()
