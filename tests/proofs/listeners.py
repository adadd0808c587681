"""Runs on a host: the certificates that listeners present. Argument: JSON list of [address, port, PostgreSQL's way]."""

import base64
import json
import socket
import ssl
import sys

SECONDS_MAX = 10
# PostgreSQL manual, "Message Formats", SSLRequest.
SSL_REQUEST = bytes([0, 0, 0, 8, 4, 210, 22, 47])


def presented(address: str, port: int, asks_first: bool) -> bytes:
    """The certificate, whoever signed it. A client certificate that is missing is refused only after it was shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((address, port), timeout=SECONDS_MAX) as plain:
        if asks_first:
            plain.sendall(SSL_REQUEST)
            if plain.recv(1) != b"S":
                raise SystemExit(f"{address}:{port} offers no TLS")
        with context.wrap_socket(plain) as tls:
            return tls.getpeercert(binary_form=True) or b""


found = {
    port: base64.b64encode(presented(address, port, way)).decode() for address, port, way in json.loads(sys.argv[1])
}
print(json.dumps(found))
