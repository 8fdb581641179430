# A server of both families: GET /N gives N bytes, PUT says how many came; both say who asked. Usage: server.py PORT.
import http.server, socket, sys


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Client", self.client_address[0].removeprefix("::ffff:"))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(bytes(range(256)) * (int(self.path[1:]) // 256))

    def do_PUT(self):
        length = left = int(self.headers["Content-Length"])
        is_whole, whole = True, bytes(range(256)) * 256
        while left:
            part = self.rfile.read(min(left, len(whole)))
            is_whole = is_whole and part == whole[: len(part)]
            left -= len(part)
        self.answer(f"{length} bytes, whole: {is_whole}\n".encode())

    def log_message(self, *_):
        pass


server = Server(("::", int(sys.argv[1])), Handler)
print("ready", flush=True)
server.serve_forever()
