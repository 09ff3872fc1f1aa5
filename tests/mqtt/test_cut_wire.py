"""A connection that breaks a hundred times loses nothing, invents nothing and keeps the order."""

import asyncio
from random import Random

from tests.brokers import Mosquitto
from tests.mqtt.conftest import Station
from tests.mqtt.cutter import Cutter
from tests.mqtt.observer import observer, until
from tests.mqtt.test_publisher import as_recorded, in_order_of_first_arrival

CUTS = 100


async def test_cut_a_hundred_times_in_the_middle_of_publishing(
    broker: Mosquitto, protocol: str
) -> None:
    async with Cutter(Random(5), CUTS).before(broker.port) as wire:
        station = Station(wire.port, protocol=protocol, retry_first_ms=1, retry_most_ms=5)
        async with observer(broker.port) as seen:
            async with station.running():
                while wire.cuts_left:
                    if station.journal.head_seq < station.cursor.seq + 50:
                        station.journal.commit(10)
                    await asyncio.sleep(0)
                await until(lambda: station.cursor.seq == station.journal.head_seq)
            await until(lambda: as_recorded(station)[-1] in seen.events())
            arrived = seen.events()
    assert in_order_of_first_arrival(arrived) == as_recorded(station)
    assert set(arrived) == set(as_recorded(station))
    assert station.cursor.steps == sorted(set(station.cursor.steps))
