"""The parts of the simulated drop table: what moves, what presses on it, and what its switches say.

Nothing here knows the board link, a clock or a loop: time is a number that the caller gives.
"""
