"""`python -m firmware_sim`, for a daemon that starts its simulator without looking for a script."""

from firmware_sim.cli import main

main()
