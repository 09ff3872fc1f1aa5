"""The broker from PyPI as a program of its own, on loopback: `python -m droptable.demo.pip_broker`.

A process and not a thread, because that broker cannot be told to end. It speaks MQTT 3.1.1. When
its standard input closes, whoever started it is gone, and it goes too.
"""

import os
import sys
import threading
from typing import Annotated

import typer
from iotcore import IotCoreBroker

from droptable.demo.broker import LOOPBACK

MAX_PAYLOAD_BYTES = 1_048_576


def _end_with_the_parent() -> None:
    # The descriptor, not the buffered stream: that one's lock would be in the way at the end.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(0)


def serve(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="TCP port on loopback")],
) -> None:
    """Serve MQTT on loopback until SIGTERM."""
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    IotCoreBroker(listen=LOOPBACK, port=port, max_payload_size=MAX_PAYLOAD_BYTES).run_forever()


if __name__ == "__main__":
    typer.run(serve)
