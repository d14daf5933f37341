"""Requests at a steady rate, good and bad, each answer judged."""
import asyncio
import time

CONNECTIONS = 16
#: Of a hundred requests so many have a bad token, and one opens a connection of its own first.
BAD, NEW = 6, 1
TOLD = 5


class Load:
    """Counts what came back."""

    def __init__(self, scene, keys, chance):
        self.scene, self.keys, self.chance = scene, keys, chance
        self.good = self.bad = self.failed = self.let_through = 0
        self.faults = []

    async def measure(self, seconds):
        """Requests a second that are possible, on all connections one after the other."""
        end = time.monotonic() + seconds
        before = self.good + self.bad
        await asyncio.gather(*(self.ask_until(end, 0) for _ in range(CONNECTIONS)))
        return (self.good + self.bad - before) / seconds

    def steadily(self, rate, end):
        """What asks so many times a second in all."""
        return [self.ask_until(end, CONNECTIONS / rate) for _ in range(CONNECTIONS)]

    async def ask_until(self, end, pause):
        """Asks each `pause` seconds; what was late is made up for, but for more than a second."""
        connection = None
        due = time.monotonic() + pause * self.chance.random()
        while (now := time.monotonic()) < end:
            if due > now:
                await asyncio.sleep(due - now)
            due = max(due + pause, now - 1)
            dice = self.chance.randrange(100)
            if connection is not None and dice >= 100 - NEW:
                connection[1].close()
                connection = None
            try:
                if connection is None:
                    connection = await asyncio.open_connection("127.0.0.1", self.scene.ports["http"])
                is_open = await self.ask(*connection, is_bad=dice < BAD)
            except (OSError, asyncio.IncompleteReadError) as why:
                self.fail(f"no answer: {why!r}")
                is_open = False
            if not is_open:
                connection[1].close()
                connection = None
        if connection is not None:
            connection[1].close()

    async def ask(self, reader, writer, is_bad):
        """One request. Tells whether the connection can have another."""
        if not is_bad:
            token = self.chance.choice(self.keys.good[self.keys.in_use])
        elif self.chance.random() < 0.1:
            token = self.keys.unknown(self.chance)
        else:
            token = self.chance.choice(self.keys.bad)
        writer.write(f"GET /orders/{self.chance.randrange(1000)} HTTP/1.1\r\nHost: soak.test\r\n"
                     f"Authorization: Bearer {token}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head.split(" ", 2)[1])
        length = next(int(line.partition(":")[2]) for line in head.split("\r\n") if line.startswith("content-length:"))
        await reader.readexactly(length)
        if is_bad:
            self.bad += 1
            if status != 401:
                self.let_through += 1
                self.tell(f"a bad token got {status}")
        elif status == 200:
            self.good += 1
        else:
            self.fail(f"a good token got {status}")
        return "connection: close" not in head

    def fail(self, what):
        self.failed += 1
        self.tell(what)

    def tell(self, what):
        """The first few are enough to know what to look for."""
        if len(self.faults) < TOLD:
            self.faults.append(what)
