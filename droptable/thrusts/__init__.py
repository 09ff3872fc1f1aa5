"""What the load trace of a drop says about the thrust."""
