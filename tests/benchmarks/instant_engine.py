"""An Ollama that answers at once, in a process of its own: ``python instant_engine.py`` prints its port."""

import asyncio
import json

LINES = [
    *[{"model": "m", "response": " word", "done": False}] * 32,
    {"model": "m", "response": "", "done": True, "total_duration": 1, "eval_duration": 1, "eval_count": 32},
]
BODY = b"".join(json.dumps(line).encode() + b"\n" for line in LINES)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(size)
            writer.write(ANSWER)
    except asyncio.IncompleteReadError:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
