"""The token by which this machine's own programs sign in: made once, readable by its owner alone."""

import os
import secrets
from pathlib import Path

from droptable.errors import DroptableError

TOKEN_FILE = "token"  # noqa: S105 - the name of a file


def local_token(state_dir: Path) -> str:
    """The token in `state_dir`, made if there is none. DroptableError STATE_UNWRITABLE."""
    path = state_dir / TOKEN_FILE
    try:
        if path.exists() and (token := path.read_text("ascii").strip()):
            return token
        token = secrets.token_urlsafe(32)
        # Never readable by others, not even for a moment: so not written first and closed later.
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(token + "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DroptableError("STATE_UNWRITABLE", f"{path}: {error}") from error
    return token
