"""`gemma serve` and clients for it, polite and not. All traffic stays on 127.0.0.1."""

import http.client
import json
import signal
import socket
import subprocess

PATIENCE = 60  # seconds, for machines that do other things as well


class Server:
    """The program, from its start to Ctrl-C."""

    def __init__(self, gemma, *arguments):
        self.process = subprocess.Popen([gemma, "serve", "--port", "0", *arguments], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().strip().rstrip("/").rpartition(":")[2])
        self.host = f"localhost:{self.port}"

    def alive(self):
        return self.process.poll() is None

    def end(self):
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        return code

    def resident(self):
        """Bytes of memory in use."""
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * 4096

    def listening_on(self):
        """The addresses that its port is open on, as the kernel writes them: 0100007F is 127.0.0.1."""
        addresses = []
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            with open(table) as lines:
                for fields in (line.split() for line in lines):
                    if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == self.port:
                        addresses.append(fields[1].rpartition(":")[0])
        return addresses

    def ask(self, method, path, body=None, headers=()):
        """(status, headers, text) of a well-formed request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            headers = dict(headers)
            headers.setdefault("Host", self.host)
            if body is not None:
                headers.setdefault("Content-Type", "application/json")
                headers.setdefault("Content-Length", str(len(body)))
            for name, value in headers.items():
                for one in value if isinstance(value, list) else [value]:
                    if one is not None:
                        connection.putheader(name, one)
            connection.endheaders(body)
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode(errors="replace")
        finally:
            connection.close()

    def generate(self, headers=(), **request):
        return self.ask("POST", "/api/generate", json.dumps(request).encode(), headers)

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        return connection

    def raw(self, data, half_close=False):
        """All that comes back for these bytes until the server closes; b"" when it resets the connection."""
        with self.connect() as connection:
            try:
                connection.sendall(data)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
                answer = b""
                while part := connection.recv(1 << 16):
                    answer += part
                return answer
            except (BrokenPipeError, ConnectionResetError):
                return b""

    def request(self, body, *lines):
        """A request to generate as bytes, with these header lines beside the needed ones."""
        head = ["POST /api/generate HTTP/1.1", f"Host: {self.host}", "Content-Type: application/json",
                f"Content-Length: {len(body)}", *lines]
        return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def ending(text):
    """The last line of an answer that came whole."""
    return json.loads(text.splitlines()[-1])
