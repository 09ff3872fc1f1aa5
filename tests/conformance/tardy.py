"""`python -m tests.conformance.tardy serve ...`: the simulator's program with a board that is 8 ms late."""

import firmware_sim.serve
from firmware_sim.cli import main
from tests.conformance.broken import Tardy

if __name__ == "__main__":
    setattr(firmware_sim.serve, "SimulatedBoard", Tardy)  # noqa: B010 - a type is no variable
    main()
