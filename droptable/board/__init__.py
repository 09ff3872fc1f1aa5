"""The board's side of the contract, for whatever drives the pins where no microcontroller does."""
