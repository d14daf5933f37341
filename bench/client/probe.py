"""Asks with one good token on one kept-alive connection at a steady pace; prints how long answers took.

    probe.py PORT TOKEN-FILE SECONDS     prints: answered failed p50 p99 worst (milliseconds)

An answer that comes late delays the next question but not the count: a lost pace is lost answers.
"""
import socket
import sys
import time

PACE = 0.002
PATIENCE = 10


def main():
    port, seconds = int(sys.argv[1]), float(sys.argv[3])
    with open(sys.argv[2]) as file:
        token = file.readline().strip()
    question = f"GET / HTTP/1.1\r\nHost: bench.test\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    took, failed, connection = [], 0, None
    start = time.perf_counter()
    due = start
    while due < start + seconds:
        time.sleep(max(0.0, due - time.perf_counter()))
        due = max(due + PACE, time.perf_counter() - PACE)
        asked = time.perf_counter()
        try:
            if connection is None:
                connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(question)
            answer = b""
            while not answer.endswith(b"\r\n\r\nok"):
                block = connection.recv(65536)
                if not block or not answer and not block.startswith(b"HTTP/1.1 200"):
                    raise OSError("not a good answer")
                answer += block
            took.append((time.perf_counter() - asked) * 1e3)
        except OSError:
            failed += 1
            if connection:
                connection.close()
            connection = None
    took.sort()

    def at(part):
        return took[min(len(took) - 1, int(len(took) * part))] if took else 0.0

    print(len(took), failed, at(0.5), at(0.99), at(1))


main()
