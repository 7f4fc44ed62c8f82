#!/usr/bin/env python3
"""Stands in for the gateway in the tests of its runner: the same command line and admin endpoints, nothing behind."""
import http.server
import pathlib
import signal
import sys


class Admin(http.server.BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self):
        Admin.asked += 1
        if self.path == "/readyz":
            # Not ready when first asked.
            self.reply(200 if Admin.asked > 2 else 503, "")
        elif self.path == "/metrics":
            self.reply(200, '# TYPE requests counter\nrequests{outcome="deny"} 3\nrequests_total 4\n')
        else:
            self.reply(200, "".join(path.read_text() for path in sorted(pathlib.Path(folder).iterdir())))

    def reply(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


def stop(*_):
    print("bye")
    sys.exit(0)


verb, folder, flag, admin, *rest = sys.argv[1:]
assert (verb, flag) == ("run", "--admin"), sys.argv
if "--broken" in rest:
    print("gateway.yaml:1: unknown kind", file=sys.stderr)
    sys.exit(4)
signal.signal(signal.SIGTERM, stop)
host, port = admin.split(":")
Admin.protocol_version = "HTTP/1.1"
server = http.server.ThreadingHTTPServer((host, int(port)), Admin)
print("ready to serve", *rest, file=sys.stderr, flush=True)
server.serve_forever()
