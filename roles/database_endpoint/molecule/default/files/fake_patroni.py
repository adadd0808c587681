"""Answer HAProxy's checks as Patroni's REST interface does: OPTIONS over TLS, to clients with a certificate only.

What each server is stands in a file that the tests write: leader, none, or replica with its lag in MiB.
"""

import http.server
import pathlib
import re
import ssl
import threading

CERTIFICATES = {"127.0.1.1": "db1", "127.0.1.2": "db2", "127.0.1.3": "db1"}


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    def fits(self) -> bool:
        """Whether the server is what the path asks for."""
        state = pathlib.Path("/run/fake-patroni", str(self.connection.getsockname()[0])).read_text()
        role, _, lag_mib = state.strip().partition(" ")
        if role == "replica" and (allowed := re.fullmatch(r"/replica\?lag=(\d+)MB", self.path)):
            return int(lag_mib or 0) <= int(allowed[1])
        return role == "leader" and self.path == "/primary"

    def do_OPTIONS(self) -> None:
        """200 when it is."""
        self.send_response(200 if self.fits() else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


for address, certificate in CERTIFICATES.items():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"/etc/ssl/platform/{certificate}.pem")
    context.load_verify_locations("/etc/ssl/platform/ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    server = http.server.ThreadingHTTPServer((address, 8008), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever).start()
