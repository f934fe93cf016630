"""An API that knows nothing of tokens: whose request it is, the proxy says. It believes whoever reaches it."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class API(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        names = ("X-Subject", "X-Client-Id", "Authorization", "DPoP", "X-SSL-Client-Cert", "X-Forwarded-Client-Cert")
        body = "".join(f"{n}: {v}\n" for n in names for v in self.headers.get_all(n, [])).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), API)
print("api on", "%s:%d" % server.server_address, flush=True)
server.serve_forever()
