"""The board link, version 1: frames, messages and sessions without I/O; `transport` alone has I/O."""
