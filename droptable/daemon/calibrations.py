"""By what each section is calibrated, as the configuration says it. Pure.

The day on which a calibration ends is a date; the core counts by a clock that nobody sets, so the
date is turned into a moment of that clock here, and again whenever the clock on the wall was set.
"""

from datetime import UTC, date, datetime, time, timedelta

from droptable.core.events import CalibrationChanged
from droptable.core.model import Calibration
from droptable.daemon.config_model import Config, SectionKeys
from droptable.sections import Section


def calibrations_of(config: Config, now_us: int, utc: datetime) -> CalibrationChanged:
    """What the configuration says of each section's calibration, at `now_us`, which is `utc`."""
    thoracic, lumbar, pelvic = (
        _calibration(config.sections.of(section), now_us, utc) for section in Section
    )
    return CalibrationChanged((thoracic, lumbar, pelvic))


def _calibration(keys: SectionKeys, now_us: int, utc: datetime) -> Calibration | None:
    name, board, last_day = (
        keys.calibration_id,
        keys.calibration_board,
        keys.calibration_expires,
    )
    if name is None or board is None or last_day is None:
        return None
    over = datetime.combine(date.fromisoformat(last_day) + timedelta(days=1), time(), UTC)
    return Calibration(name, board, now_us + round((over - utc).total_seconds() * 1_000_000))
