#!/usr/bin/env python3
"""An HTTPS server on loopback that has nothing, for measuring handshakes: `tls_server.py FOLDER`.

It makes a certificate authority and a certificate of 127.0.0.1, writes `ca.pem`, `server.pem` and `server.key` into the
folder, prints its port, and serves until it is killed. A bucket on it is there and empty, everything else is 404.
`--certificates-only` stops after the files: for servers that speak TLS themselves.
"""

import datetime
import http.server
import ipaddress
import pathlib
import ssl
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

EMPTY_LIST = b"<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>0</KeyCount></ListBucketResult>"
NO_SUCH_KEY = b"<Error><Code>NoSuchKey</Code><Message>nothing is here</Message></Error>"


def make_certificates(folder):
    """The authority and the server's certificate, good for a day."""
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)

    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())

    def certificate(name, key, issuer, *extensions):
        named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder().subject_name(named).issuer_name(issuer or named).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
        for extension in (signer, x509.SubjectKeyIdentifier.from_public_key(key.public_key()), *extensions):
            critical = isinstance(extension, (x509.BasicConstraints, x509.KeyUsage))
            builder = builder.add_extension(extension, critical)
        return builder.sign(authority_key, hashes.SHA256())

    signs = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    authority = certificate("tests", authority_key, None, x509.BasicConstraints(ca=True, path_length=0), signs)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")])
    server = certificate("127.0.0.1", key, authority.subject, names)

    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(authority.public_bytes(pem))
    (folder / "server.pem").write_bytes(server.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.key").write_bytes(private)


class Nothing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without it an answer of two writes waits for the client's delayed acknowledgement.
    disable_nagle_algorithm = True

    def answer(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        status, body = (200, EMPTY_LIST) if "list-type=2" in self.path else (404, NO_SUCH_KEY)
        self.send_response(status)
        self.send_header("content-type", "application/xml")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that goes away, killed by the measurement, is no error."""


def main(arguments):
    folder = pathlib.Path(arguments[0])
    make_certificates(folder)
    if "--certificates-only" in arguments:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    server = Server(("127.0.0.1", 0), Nothing)
    # The handshake belongs into the connection's own thread, not into the one that accepts.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
