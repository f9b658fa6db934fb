"""Connections from 127.0.0.66 to the given doors, in equal parts, until it is told to end. They say a byte every second;
one that is closed is dialled again, at most so many a second. Prints "there" when as many as asked for have been dialled,
and at the end how many were, how many are open, and what it took of a core.

usage: attacker.py --size N --rate R HOST:PORT...
"""
import argparse
import itertools
import resource
import selectors
import signal
import socket
import sys
import time

STRANGER = "127.0.0.66"
BIND_ADDRESS_NO_PORT = 24  # of Linux: the port is chosen at connect


class Crowd:
    def __init__(self, doors: list[str], size: int, rate: float):
        self.doors = itertools.cycle([(host, int(port)) for host, port in (door.rsplit(":", 1) for door in doors)])
        self.size, self.rate = size, rate
        self.selector = selectors.DefaultSelector()
        self.open: set[socket.socket] = set()
        self.dialled = 0

    def dial(self) -> None:
        connection = socket.socket()
        connection.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
        connection.bind((STRANGER, 0))
        connection.setblocking(False)
        connection.connect_ex(next(self.doors))
        self.selector.register(connection, selectors.EVENT_READ)
        self.open.add(connection)
        self.dialled += 1

    def drop_closed(self, seconds: float) -> None:
        for key, _ in self.selector.select(seconds):
            try:
                if key.fileobj.recv(4096):
                    continue
            except BlockingIOError:
                continue
            except OSError:
                pass
            self.selector.unregister(key.fileobj)
            self.open.discard(key.fileobj)
            key.fileobj.close()

    def speak(self) -> None:
        for connection in self.open:
            try:
                connection.send(b"P")
            except OSError:
                pass  # not connected yet, or not any more: then it is about to be dropped

    def run(self) -> None:
        begin = spoken = time.monotonic()
        is_there = False
        while True:
            now = time.monotonic()
            due = int((now - begin) * self.rate) - self.dialled
            for _ in range(min(due, self.size - len(self.open))):
                self.dial()
            if self.size == len(self.open):  # what was not needed is not made up for
                begin = now - self.dialled / self.rate
            if not is_there and self.dialled >= self.size:
                print("there", flush=True)
                is_there = True
            if now - spoken >= 1:
                spoken = now
                self.speak()
            self.drop_closed(0.01)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("doors", nargs="+")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = Crowd(options.doors, min(options.size, hard - 64), options.rate)
    begin = time.monotonic()

    def end(*_: object) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(crowd.dialled, len(crowd.open), (used.ru_utime + used.ru_stime) / (time.monotonic() - begin), flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    crowd.run()


if __name__ == "__main__":
    main()
