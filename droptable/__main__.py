"""`python -m droptable`, for programs that start the daemon without looking for a script."""

from droptable.cli.main import main

main()
