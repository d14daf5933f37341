"""What goes on around good requests in a bad week."""
import asyncio
import socket
import struct
import time

from .issuer import KEYS

RELOAD_EVERY, RESET_EVERY, ROTATE_EVERY = 4, 0.2, 45
#: Longer than the pause between two fetches of a key set, which an unknown key may have begun.
ANNOUNCE = 15
#: Closing so sends RST in place of FIN.
ABRUPT = struct.pack("ii", 1, 0)


class Trouble:
    """Counts what it did."""

    def __init__(self, scene, keys, chance):
        self.scene, self.keys, self.chance = scene, keys, chance
        self.reloads = self.broken = self.resets = self.rotations = 0

    def all(self, end):
        return [self.reload(end), self.reset(end), self.rotate(end)]

    async def reload(self, end):
        """Two good files, then a broken one."""
        while time.monotonic() + RELOAD_EVERY < end:
            text = self.scene.routes(400 + self.reloads % 100)
            if self.reloads % 3 == 2:
                text += "nonsense: true\n"
                self.broken += 1
            await asyncio.to_thread(self.scene.write, text)
            self.reloads += 1
            await asyncio.sleep(RELOAD_EVERY)

    async def reset(self, end):
        """Connections that end in the middle: of a head, of a body, or before the answer."""
        token = self.keys.good[0][0]
        request = f"POST /orders/1 HTTP/1.1\r\nHost: soak.test\r\nAuthorization: Bearer {token}\r\n" \
                  "Content-Length: 1000\r\n\r\nhalf a body".encode()
        while time.monotonic() < end:
            with socket.create_connection(("127.0.0.1", self.scene.ports["http"]), timeout=5) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPT)
                connection.sendall(request[:self.chance.randrange(1, len(request) + 1)])
            self.resets += 1
            await asyncio.sleep(RESET_EVERY)

    async def rotate(self, end):
        """The next key is published, then used, and the one before is withdrawn."""
        while time.monotonic() + ROTATE_EVERY < end:
            following = (self.keys.in_use + 1) % KEYS
            self.keys.published = {self.keys.in_use, following}
            await asyncio.to_thread(self.scene.publish)
            await asyncio.sleep(ANNOUNCE)
            self.keys.in_use = following
            self.keys.published = {following}
            await asyncio.to_thread(self.scene.publish)
            self.rotations += 1
            await asyncio.sleep(ROTATE_EVERY - ANNOUNCE)
