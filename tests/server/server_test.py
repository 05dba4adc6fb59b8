#!/usr/bin/env python3
"""`gemma serve` among bad clients: foreign pages, broken requests, slow ones, too many at a time.

    tests/server/server_test.py                          all of it, in half a minute
    tests/server/server_test.py --requests 10000         the memory over so many requests
"""

import argparse
import json
import socket
import sys
import threading
import time
import unittest
from pathlib import Path

from http_clients import Server, ending

ROOT = Path(__file__).resolve().parents[2]
HELLO = json.dumps({"prompt": "Once upon a time", "max_tokens": 4}).encode()


class Test(unittest.TestCase):
    arguments = ()

    def setUp(self):
        self.server = Server(options.gemma, *self.arguments)

    def tearDown(self):
        self.assertTrue(self.server.alive())
        self.assertEqual(self.server.end(), 0)

    def assert_serves(self):
        status, _, text = self.server.generate(prompt="Once", max_tokens=2)
        self.assertEqual(status, 200, text)
        self.assertIn("stop", ending(text))

    def assert_memory(self, growth, limit):
        if not options.sanitized:  # sanitizers keep freed memory
            self.assertLess(growth, limit)

    def assert_refused(self, statuses, answer, what):
        """A complete answer with one of the statuses and a reason, and nothing after it."""
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertIn(int(head.split()[1]), statuses, (what, head))
        self.assertGreater(len(json.loads(body)["error"]), 10, what)


class ForeignTest(Test):
    def test_it_listens_on_loopback_only(self):
        self.assertEqual(self.server.listening_on(), ["0100007F"])

    def test_other_hosts_are_refused_as_after_dns_rebinding(self):
        port = self.server.port
        for host in ("evil.example", f"evil.example:{port}", f"localhost.evil.example:{port}", "localhost",
                     f"localhost:{port + 1}", f"127.0.0.1.evil.example:{port}", f"evil.example@localhost:{port}",
                     f"0.0.0.0:{port}", "", None, [self.server.host, "evil.example"]):
            for method, path, body in (("GET", "/", None), ("GET", "/api/models", None),
                                       ("POST", "/api/generate", HELLO)):
                status, _, text = self.server.ask(method, path, body, {"Host": host})
                self.assertEqual(status, 403, (host, path))
                self.assertIn("error", json.loads(text))
        for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
            self.assertEqual(self.server.ask("GET", "/api/models", headers={"Host": host})[0], 200, host)

    def test_other_origins_are_refused(self):
        port, own = self.server.port, f"http://{self.server.host}"
        for origin in ("http://evil.example", "null", f"https://localhost:{port}", f"http://localhost:{port + 1}",
                       "http://localhost", f"http://127.0.0.1:{port}", f"{own}.evil.example", f"{own}/", "file://",
                       f"{own} http://evil.example"):
            for path in ("/api/generate", "/api/page"):
                status, headers, _ = self.server.ask("POST", path, HELLO, {"Origin": origin})
                self.assertEqual(status, 403, origin)
                self.assertFalse([name for name in headers if name.lower().startswith("access-control")])
        for origin in (own, None):  # a program on this machine sends none
            self.assertEqual(self.server.ask("POST", "/api/generate", HELLO, {"Origin": origin})[0], 200, origin)

    def test_what_a_browser_calls_foreign_is_refused(self):
        for site in ("cross-site", "same-site"):
            for method, path, body in (("GET", "/api/models", None), ("POST", "/api/generate", HELLO)):
                self.assertEqual(self.server.ask(method, path, body, {"Sec-Fetch-Site": site})[0], 403)
            self.assertEqual(self.server.ask("GET", "/", headers={"Sec-Fetch-Site": site})[0], 200)  # a link to it
        self.assertEqual(self.server.ask("POST", "/api/generate", HELLO, {"Sec-Fetch-Site": "same-origin"})[0], 200)

    def test_forms_and_preflights_of_other_pages_get_nowhere(self):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None):
            self.assertEqual(self.server.ask("POST", "/api/generate", HELLO, {"Content-Type": kind or ""})[0], 415)
        for method in ("OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PRI", "BREW"):
            status, headers, _ = self.server.ask(method, "/api/generate", headers={"Origin": "http://evil.example"})
            self.assertIn(status, (400, 403, 405), method)
            self.assertFalse([name for name in headers if name.lower().startswith("access-control")])

    def test_the_body_of_a_refused_request_is_no_request(self):
        inner = self.server.request(HELLO)
        for lines in (["Origin: http://evil.example"], ["Content-Encoding: gzip"]):
            self.assert_refused((403, 415), self.server.raw(self.server.request(inner, *lines)), lines)
        twice = self.server.raw(self.server.request(HELLO) + inner)  # nor is what follows a good one
        self.assertEqual(twice.count(b"HTTP/1.1"), 1)

    def test_no_frame_no_sniffing_no_other_page_reads_it(self):
        _, headers, _ = self.server.ask("GET", "/")
        self.assertEqual(headers["X-Frame-Options"], "DENY")
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(headers["Cross-Origin-Resource-Policy"], "same-origin")

    def test_no_file_is_served(self):
        up = "../" * 8
        for path in (f"/{up}etc/passwd", f"/{up.replace('/', '%2f')}etc/passwd", f"/{up.replace('.', '%2e')}etc/passwd",
                     f"/{up.replace('.', '%252e')}etc/passwd", "/%c0%ae%c0%ae/" * 4 + "etc/passwd", "//etc/passwd",
                     "/etc/passwd", "/..\\..\\..\\etc\\passwd", f"/api/{up}etc/passwd", f"/api/models/{up}etc/passwd",
                     "/%00/etc/passwd", "/index.html%00", "/./", "/live.js", "/style.css", "/config.json",
                     "/model.safetensors", "/proc/self/environ", "file:///etc/passwd",
                     "http://localhost/etc/passwd", "/" + "a/" * 2000):
            status, _, text = self.server.ask("GET", path)
            self.assertIn(status, (400, 404), path)
            self.assertNotIn("root:", text)
        for model in ("../../../etc/passwd", "/etc/passwd", "-1", "2", "0x0", "%ff", ""):
            self.assertEqual(self.server.ask("POST", f"/api/generate?model={model}", HELLO)[0], 400, model)


class BrokenTest(Test):
    def test_broken_requests_are_refused_and_the_next_one_is_served(self):
        server, host = self.server, f"Host: {self.server.host}\r\n".encode()
        get, post = b"GET / HTTP/1.1\r\n" + host, b"POST /api/generate HTTP/1.1\r\nContent-Type: application/json\r\n"
        for what, data in {
            "nothing": b"", "a line": b"\r\n", "no HTTP": b"hello\r\n\r\n", "zeros": bytes(5000),
            "TLS": bytes.fromhex("16030100") + b"\x01" * 300, "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "another version": b"GET / HTTP/9.9\r\n" + host + b"\r\n", "no path": b"GET HTTP/1.1\r\n\r\n",
            "cut in the head": get, "cut in the body": post + host + b"Content-Length: 100\r\n\r\n{",
            "no length": post + host + b"\r\n", "a negative length": post + host + b"Content-Length: -1\r\n\r\n{}",
            "a huge length": post + host + b"Content-Length: 99999999999999999999\r\n\r\n{}",
            "two lengths": post + host + b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}",
            "a chunk without end": post + host + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{",
            "a chunk that is none": post + host + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{",
            "compressed": server.request(HELLO, "Content-Encoding: gzip"),
            "brotli": server.request(HELLO, "Content-Encoding: br"),
            "bytes in a header": server.request(HELLO, "Origin: \udcff\udcfe".encode("latin1", "replace").decode()),
            "a header without a colon": get + b"nothing\r\n\r\n", "a header line of spaces": get + b" : \r\n\r\n",
        }.items():
            answer = server.raw(data, half_close=True)
            if answer and not answer.startswith(b"HTTP/1.1 200"):
                self.assert_refused((400, 403, 404, 405, 411, 413, 415), answer, what)
            self.assertTrue(server.alive(), what)
        self.assert_serves()

    def test_bodies_that_are_no_request(self):
        deep = b'{"prompt": ' + b"[" * 100000 + b"]" * 100000 + b"}"
        for body in (b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"prompt": "\xff"}', b'{"prompt": "\\ud800"}', deep,
                     b'{"prompt": "a", "max_tokens": 8193}', b'{"prompt": "a", "max_tokens": 1e99}',
                     b'{"prompt": "a", "temperature": 1e400}', b'{"prompt": "a", "prompt": "b"}',
                     b'{"prompt": "a", "seed": 99999999999999999999999}', b'{"prompt": "a", "\xff": 1}',
                     json.dumps({"prompt": "x" * 20000}).encode(),
                     json.dumps({"prompt": "a", "edits": [{"name": "*"}] * 33}).encode()):
            status, _, text = self.server.ask("POST", "/api/generate", body)
            self.assertEqual(status, 400, body[:60])
            self.assertGreater(len(json.loads(text)["error"]), 10)
        self.assert_serves()

    def test_patterns_of_many_stars_take_no_time(self):
        start = time.monotonic()
        edits = [{"name": "*a" * 2000}] * 8
        self.assertEqual(self.server.generate(prompt="a", max_tokens=1, edits=edits)[0], 400)
        self.assertLess(time.monotonic() - start, 20)

    def test_what_is_too_large_is_refused_or_cut_off(self):
        server = self.server
        self.assertEqual(server.ask("POST", "/api/generate", b" " * (1 << 20))[0], 413)
        self.assertEqual(server.ask("GET", "/" + "a" * 9000)[0], 414)
        before = server.resident()
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        chunked = server.request(b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
        for begin, piece in ((b"GET /", b"a" * 65536), (b"GET / HTTP/1.1\r\nX: ", b"a" * 65536),
                             (b"GET / HTTP/1.1\r\n", b"X: a\r\n" * 10000), (chunked, chunk),
                             (server.request(b"").replace(b"Length: 0", b"Length: 9000000000"), b" " * 65536)):
            sent = 0
            with server.connect() as connection:
                try:
                    connection.sendall(begin)
                    while sent < 64 << 20:
                        connection.sendall(piece)
                        sent += len(piece)
                except (BrokenPipeError, ConnectionResetError):
                    pass
            self.assertLess(sent, 16 << 20, begin)
        self.assert_memory(server.resident() - before, 16 << 20)
        self.assert_serves()

    def test_many_ranges_make_no_large_answer(self):
        page = len(self.server.raw(b"GET / HTTP/1.1\r\nHost: " + self.server.host.encode() + b"\r\n\r\n"))
        for ranges in (",".join(["0-"] * 1000), "1" * 7000, "0-" + "9" * 30, ",".join(["-"] * 3000)):
            answer = self.server.raw(f"GET / HTTP/1.1\r\nHost: {self.server.host}\r\nRange: bytes={ranges}\r\n\r\n".encode())
            self.assertLess(len(answer), 2 * page, ranges[:20])
        self.assert_serves()


class SlowTest(Test):
    def test_clients_that_send_slowly_are_cut_off_while_others_are_served(self):
        count = options.slow
        head = self.server.request(b" " * 1000)[:-1000]
        slow = []
        for i in range(count):
            connection = self.server.connect()
            connection.sendall(head[:20] if i % 2 else head)
            slow.append(connection)
        start, served, statuses = time.monotonic(), 0, set()
        while slow and time.monotonic() - start < 30:
            status = self.server.generate(prompt="Once", max_tokens=1)[0]
            statuses.add(status)
            served += status == 200
            for connection in list(slow):
                try:
                    connection.sendall(b" ")
                    connection.setblocking(False)
                    if connection.recv(4096) == b"":
                        raise ConnectionResetError
                    connection.setblocking(True)
                except BlockingIOError:
                    connection.setblocking(True)
                except OSError:
                    connection.close()
                    slow.remove(connection)
            time.sleep(0.2)
        self.assertEqual(slow, [])
        self.assertEqual(statuses, {200})
        self.assertGreater(served, 5)
        self.assertLess(time.monotonic() - start, 20)  # 10 s, and what a busy machine adds

    def test_so_many_of_them_are_told_to_come_back(self):
        slow = [self.server.connect() for _ in range(140)]
        status, headers, text = self.server.generate(prompt="Once", max_tokens=1)
        self.assertEqual(status, 503)
        self.assertEqual(headers["Retry-After"], "1")
        self.assertIn("too many connections", json.loads(text)["error"])
        for connection in slow:
            connection.close()
        end = time.monotonic() + 20
        while self.server.generate(prompt="Once", max_tokens=1)[0] != 200:
            self.assertLess(time.monotonic(), end)

    def test_a_client_that_closes_its_side_gets_its_answer(self):
        answer = self.server.raw(self.server.request(HELLO), half_close=True)
        self.assertIn(b" 200 ", answer.splitlines()[0])
        self.assertIn(b'"stop"', answer)
        self.assertTrue(answer.endswith(b"0\r\n\r\n"))

    def test_clients_that_go_away_make_room(self):
        long = self.server.request(json.dumps({"prompt": "Once", "max_tokens": 400, "temperature": 1}).encode())
        for i in range(60):
            connection = self.server.connect()
            if i % 2:  # closed with a reset
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(long)
            if i % 3:
                connection.recv(100)
            connection.close()
        end = time.monotonic() + 30
        while self.server.generate(prompt="Once", max_tokens=1)[0] != 200:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)

    def test_it_ends_at_once_with_clients_of_all_kinds(self):
        kinds = [b"", b"GET / HT", self.server.request(b" " * 99)[:-50],
                 self.server.request(json.dumps({"prompt": "a", "max_tokens": 400, "temperature": 1}).encode())]
        clients = [self.server.connect() for _ in range(40)]
        for i, client in enumerate(clients):
            client.sendall(kinds[i % len(kinds)])
        time.sleep(0.3)
        start = time.monotonic()
        self.assertEqual(self.server.end(), 0)
        self.assertLess(time.monotonic() - start, 5)
        for client in clients:
            client.close()
        self.server = Server(options.gemma)  # for tearDown


class TimeLimitTest(Test):
    arguments = ("--seconds", "1", "--at-once", "1", "--waiting", "40")

    def test_waiting_and_computing_have_an_end(self):
        endings, start = [], time.monotonic()

        def client():
            status, _, text = self.server.generate(prompt="Once upon", max_tokens=500, temperature=1)
            endings.append(ending(text).get("stop") if status == 200 else status)

        run_together([client] * 40)
        self.assertEqual(len(endings), 40)
        self.assertLessEqual(set(endings), {"time", "stop_token", "max_tokens", "context_full", 503})
        self.assertTrue({"time", 503} & set(endings), endings)
        self.assertLess(time.monotonic() - start, 20)
        self.assert_serves()


class LoadTest(Test):
    def test_a_hundred_clients_at_once(self):
        end, lock, counts, wrong = time.monotonic() + options.seconds, threading.Lock(), {200: 0, 503: 0}, []

        def client():
            while time.monotonic() < end:
                try:
                    status, headers, text = self.server.generate(prompt="Once upon a time", max_tokens=3)
                    good = "stop" in ending(text) if status == 200 else headers["Retry-After"] == "1"
                except (OSError, ValueError) as error:
                    status, good, text = 0, False, repr(error)
                with lock:
                    counts[status] = counts.get(status, 0) + 1
                    if not good or status not in (200, 503):
                        wrong.append((status, text))
                if status == 503:
                    time.sleep(0.1)

        run_together([client] * 100)
        print(f"a hundred clients for {options.seconds} s: {counts[200]} answered, {counts[503]} told to come back")
        self.assertEqual(wrong, [])
        self.assertGreater(counts[200], 0)
        self.assert_serves()

    def test_memory_is_flat(self):
        def ask(count):
            for i in range(count):
                kind = i % 10
                if kind == 0:
                    self.assertEqual(self.server.ask("GET", "/")[0], 200)
                elif kind == 1:
                    self.assertEqual(self.server.ask("POST", "/api/generate", b"{")[0], 400)
                elif kind == 2:
                    self.assertEqual(self.server.ask("GET", "/nothing")[0], 404)
                elif kind == 3 and i % 100 == 3:
                    self.assertEqual(self.server.ask("POST", "/api/page", b'{"tokens": [2, 3]}')[0], 200)
                else:
                    self.assertEqual(self.server.generate(prompt="Once", max_tokens=1)[0], 200)

        ask(500)
        before, start = self.server.resident(), time.monotonic()
        ask(options.requests)
        growth = self.server.resident() - before
        print(f"{options.requests} requests in {time.monotonic() - start:.0f} s: memory {before / 1e6:.1f} MB, "
              f"then {growth / 1e6:+.1f} MB")
        self.assert_memory(growth, 4 << 20)


def run_together(clients):
    threads = [threading.Thread(target=client) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gemma", default=str(ROOT / "build/release/bin/gemma"))
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=5, help="how long a hundred clients ask")
    parser.add_argument("--slow", type=int, default=100, help="how many slow clients")
    parser.add_argument("--sanitized", action="store_true", help="memory may grow as sanitizers let it")
    options, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
