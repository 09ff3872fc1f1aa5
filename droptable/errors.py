"""What can go wrong outside the table itself, each with a code, its meaning and its remedy.

Refusals of an action live in `core/readiness.py` and faults of a section in `core/faults.py`; this
registry is for everything else that a person has to put right: ports, files, brokers, peers.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of the registry: what it means for the table, and what to do about it."""

    code: str
    meaning: str
    remedy: str


PROBLEMS: dict[str, Problem] = {}


def _register(code: str, meaning: str, remedy: str) -> None:
    PROBLEMS[code] = Problem(code, meaning, remedy)


_register(
    "LINK_UNREACHABLE",
    "No board can be reached; every section is shown as UNKNOWN and cannot be moved.",
    "Check the cable, the board's power and `[board] link`; the daemon keeps trying.",
)
_register(
    "LINK_VANISHED",
    "The link to the board broke; the board has locked its pins by itself.",
    "Check the cable and the board's power; the daemon keeps trying.",
)
_register(
    "LINK_SILENT",
    "The port opens but no board answers on it; nothing can be moved.",
    "Check that `[board] link` names the board's port, its speed, and that the board has power.",
)
_register(
    "LINK_GARBAGE",
    "Bytes arrive that are not frames of the board link; they are discarded and nothing moves.",
    "Check that `[board] link` names the board's port and speed, and the cable and its shield.",
)
_register(
    "LINK_SECOND_BOARD",
    "Two boards answer on this link; neither is trusted and nothing can be moved.",
    "Disconnect one of them; a link belongs to one board.",
)
_register(
    "BOARD_RESTARTED",
    "The board has restarted; nothing of before is resumed, and every section is UNKNOWN.",
    "Look at the table, then home the sections; if it happens again, check the board's supply.",
)
_register(
    "LINK_VERSION",
    "The board speaks another major version of the board link; nothing can be moved.",
    "Install the firmware and the daemon of the same release.",
)
_register(
    "HTTP_BUSY",
    "The address for the tablet page is in use; the daemon does not start.",
    "End the other program, or choose another address with `[http] listen` or `--http`.",
)
_register(
    "HTTP_NOT_LOOPBACK",
    "The address for the tablet page is reachable from outside this machine, without TLS.",
    "Listen on a loopback address such as 127.0.0.1:8080.",
)
_register(
    "BROKER_UNREACHABLE",
    "The MQTT broker cannot be reached; drops are kept in the journal and sent later.",
    "Check `[mqtt] host` and `port` and that the broker runs; the daemon keeps trying.",
)
_register(
    "BROKER_REFUSED",
    "The MQTT broker refused the connection or a publication; drops are kept in the journal.",
    "Check the user, password and access list at the broker; the daemon keeps trying.",
)
_register(
    "STATE_LOCKED",
    "Another daemon uses this state directory; a journal has exactly one writer.",
    "End the other daemon, or give this one another `--state-dir`.",
)
_register(
    "STATE_UNWRITABLE",
    "The state directory cannot be written; without a journal nothing may be armed.",
    "Check the directory's owner, its mount and the free space, then start again.",
)
_register(
    "JOURNAL_BROKEN",
    "The journal does not verify; nothing is appended to it, and nothing may be armed.",
    "Run `droptable journal verify`, keep the file as it is, and start with a new state directory.",
)
_register(
    "JOURNAL_MISSING",
    "There is no journal here.",
    "Check `--state-dir`; a daemon makes its journal when it starts.",
)
_register(
    "BLACK_BOX_GAP",
    "The black box does not record; the table and the journal are not touched by that.",
    "Check the free space and the health of the state directory's disk; the daemon keeps trying.",
)
_register(
    "RECORDING_FOREIGN",
    "Another release made this recording; played by this one it would prove nothing.",
    "Install the release that made it, and play it with that.",
)
_register(
    "RECORDING_UNREADABLE",
    "This is no recording of the black box, or a damaged one.",
    "Name a file of the folder `black-box` in the state directory; if it is one, keep it as it is.",
)
_register(
    "BOARD_PROGRAM",
    "The program that stands for the board does not run; nothing can be moved.",
    "Read its messages above; the daemon keeps trying.",
)
_register(
    "BOARD_NO_GPIO",
    "The pins of this machine cannot be driven; the daemon does not start.",
    "On a Raspberry Pi, install `droptable[gpio]`, add the user to the group gpio and check `[gpio]`; "
    "elsewhere connect a board by serial:, tcp: or unix:, or try the simulator with sim.",
)
_register(
    "CONFIG_INVALID",
    "The configuration is not valid; the daemon does not start.",
    "Correct the keys that are named; `droptable config schema` prints what is allowed.",
)
_register(
    "NO_DAEMON",
    "No daemon answers at this address.",
    "Start one with `droptable run` or `droptable demo`, or give its address with `--url`.",
)
_register(
    "DEMO_PROGRAM",
    "A program of the demo did not start, or ended by itself.",
    "Put right what it says; its whole log lies in the demo's state directory.",
)
_register(
    "DEMO_STEP",
    "The demo did not see what it waited for.",
    "Look into the logs in its state directory; then try again.",
)
_register(
    "NO_BROKER",
    "No MQTT broker for the demo is installed.",
    "Install Debian's `mosquitto`, or `pip install 'droptable[demo]'`.",
)


class DroptableError(Exception):
    """A problem of the registry that happened here; `detail` says what exactly.

    Raises KeyError when `code` is not registered, so that no message goes out without its remedy.
    """

    def __init__(self, code: str, detail: str) -> None:
        self.problem = PROBLEMS[code]
        self.detail = detail
        super().__init__(f"{code}: {detail}")

    def __str__(self) -> str:
        return f"{self.problem.code}: {self.detail}. {self.problem.meaning} {self.problem.remedy}"
