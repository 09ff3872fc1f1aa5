"""The three padded sections of the table, in the order in which a patient lies on them."""

from enum import IntEnum


class Section(IntEnum):
    """A section; the value is its number on the board link and its place in every triple."""

    THORACIC = 0
    LUMBAR = 1
    PELVIC = 2

    @property
    def label(self) -> str:
        """The section's name as programs and people write it, in lower case."""
        return self.name.lower()


def section_named(label: str) -> Section:
    """The section that `label` names; ValueError lists the names that exist."""
    try:
        return Section[label.upper()]
    except KeyError:
        known = ", ".join(section.label for section in Section)
        raise ValueError(f"no section {label!r}; the sections are {known}") from None
