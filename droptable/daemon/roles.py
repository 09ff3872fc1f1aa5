"""What whoever asks may do. Until people can sign in, that follows from how they came.

The daemon serves its own machine only, so whoever reaches it stands beside it: an operator. Who
holds the token of the state directory can read the daemon's own files, and administers it.
"""

from droptable.core.model import Role

HOUSEKEEPER = "operator"
"""The name that the local token carries."""


def role_of(actor: str) -> Role:
    """The role of an actor."""
    return Role.ADMIN if actor == HOUSEKEEPER else Role.OPERATOR
