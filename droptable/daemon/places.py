"""Where a daemon keeps its data on this machine. Only paths; nothing is created or read here."""

from collections.abc import Mapping
from pathlib import Path

TOKEN_FILE = "token"  # noqa: S105  the name of the file, not a token
"""In the state directory: what programs on this machine sign in with."""


def state_dir(option: Path | None, environment: Mapping[str, str]) -> Path:
    """Where the journal and the token live: the option, else $STATE_DIRECTORY, else XDG state.

    systemd lists several directories with colons; the first is ours.
    """
    if option is not None:
        return option.expanduser().absolute()
    if given := environment.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given).absolute()
    xdg = environment.get("XDG_STATE_HOME", "")
    # The XDG specification has relative paths ignored.
    base = Path(xdg) if xdg.startswith("/") else Path.home() / ".local" / "state"
    return base / "droptable"
