"""What the table is and may do, as the daemon sees it: pure, and without a word of the board's law."""
