"""Many visitors at once, and slow ones among them: a small HTTP client on asyncio that notes every answer."""

import asyncio
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

ANSWER_SECONDS = 120


@dataclass
class Answers:
    statuses: Counter = field(default_factory=Counter)
    seconds: list = field(default_factory=list)
    broken: list = field(default_factory=list)  # what happened to requests without an answer

    def at_percentile(self, percent):
        return sorted(self.seconds)[int(len(self.seconds) * percent / 100)]


class Crowd:
    """Sends ``requests`` (bytes, each whole), ``at_once`` at a time, while ``slow`` connections are held open."""

    def __init__(self, port, *, at_once, slow=0):
        self._port, self._at_once, self._slow = port, at_once, slow

    def send(self, requests):
        # In a thread: Playwright, once started, keeps an event loop running in the tests' own.
        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(asyncio.run, self._send(requests)).result()

    async def _send(self, requests):
        answers, waiting = Answers(), iter(requests)
        crawlers = [asyncio.create_task(self._crawl(number)) for number in range(self._slow)]
        await asyncio.sleep(1 if crawlers else 0)
        await asyncio.gather(*(self._ask(waiting, answers) for _visitor in range(self._at_once)))
        for crawler in crawlers:
            crawler.cancel()
        await asyncio.gather(*crawlers, return_exceptions=True)
        return answers

    async def _ask(self, waiting, answers):
        for request in waiting:
            started = time.monotonic()
            try:
                status = await asyncio.wait_for(self._exchange(request), ANSWER_SECONDS)
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                answers.broken.append(f"{request.splitlines()[0].decode()}: {error!r}")
                continue
            answers.statuses[status] += 1
            answers.seconds.append(time.monotonic() - started)

    async def _exchange(self, request):
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.read()  # to the end: the connection is closed by the server
            return int(head.split(None, 2)[1])
        finally:
            writer.close()

    async def _crawl(self, number):
        """Hold a connection for as long as the server lets it, in one of four ways, and come back."""
        ways = (self._say_nothing, self._drip_head, self._drip_body, self._take_nothing)
        while True:
            try:
                # Little is taken in at a time, so that an answer does not simply vanish into this side's buffer.
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=64)
                try:
                    await ways[number % len(ways)](reader, writer)
                finally:
                    writer.close()
            except OSError:
                await asyncio.sleep(1)

    async def _say_nothing(self, reader, _writer):
        await reader.read(1)

    async def _drip_head(self, _reader, writer):
        writer.write(b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        await self._drip(writer, b"X-Slow: ")

    async def _drip_body(self, _reader, writer):
        writer.write(b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 200000\r\n\r\n")
        await self._drip(writer, b"")

    async def _drip(self, writer, start):
        writer.write(start)
        while not writer.is_closing():
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(random.uniform(0.5, 2))

    async def _take_nothing(self, _reader, writer):
        writer.write(b"GET /bootstrap/static/css/bootstrap.min.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await asyncio.sleep(random.uniform(10, 30))
