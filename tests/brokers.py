"""A real mosquitto for a test, on loopback, that can be restarted, killed and stopped mid-sentence.

It starts and ends in the foreground, by its own pid, and logs into its own directory.
"""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
LOOPBACK = "127.0.0.1"
END_MAX_S = 10.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """One broker; `acl` and `users` are the contents of its files, `extra` lines of its config."""

    def __init__(
        self,
        directory: Path,
        *,
        acl: str | None = None,
        users: dict[str, str] | None = None,
        extra: str = "",
    ) -> None:
        self.port = free_port()
        self._directory = directory
        self._process: subprocess.Popen[str] | None = None
        lines = [
            f"listener {self.port} {LOOPBACK}",
            f"allow_anonymous {'true' if users is None else 'false'}",
            f"persistence_location {directory}/",
            "log_dest stderr",
            extra,
        ]
        if os.geteuid() == 0:
            lines.append("user root")
        if acl is not None:
            lines.append(f"acl_file {self._private('acl', acl)}")
        if users is not None:
            lines.append(f"password_file {self._passwords(users)}")
        self._config = self._private("mosquitto.conf", "\n".join(lines) + "\n")

    def __enter__(self) -> "Mosquitto":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Returns when connections are accepted, which mosquitto says itself."""
        assert self._process is None
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._config)], stderr=subprocess.PIPE, text=True
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if line.rstrip().endswith(" running"):
                return
        raise AssertionError(f"mosquitto ended at once: {self._config.read_text()}")

    def stop(self) -> str:
        """End it properly, so that a persistent one writes down what it has; returns its log."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """It keeps its connections and does nothing more."""
        self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running.send_signal(signal.SIGCONT)

    def allow(self, acl: str) -> None:
        """Another access list, from now on."""
        self._private("acl", acl)
        self._running.send_signal(signal.SIGHUP)

    @property
    def _running(self) -> "subprocess.Popen[str]":
        assert self._process is not None
        return self._process

    def _end(self, how: signal.Signals) -> str:
        if self._process is None:
            return ""
        self._process.send_signal(how)
        _, log = self._process.communicate(timeout=END_MAX_S)
        self._process = None
        return log

    def _private(self, name: str, content: str) -> Path:
        path = self._directory / name
        path.write_text(content)
        path.chmod(0o600)
        return path

    def _passwords(self, users: dict[str, str]) -> Path:
        path = self._private("passwords", "")
        for user, password in users.items():
            subprocess.run(["mosquitto_passwd", "-b", str(path), user, password], check=True)
        return path
