"""Services that speak TLS with a leaf of a throw-away authority."""

import ssl

from tests.unit.proxy.http.certificates import Authority


def server_context(authority: Authority, host: str) -> ssl.SSLContext:
    leaf = authority.leaf(host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.cert_file, leaf.key_file)
    return context
