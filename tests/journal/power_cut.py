"""A disk that remembers in what order it was written to, and what it may hold after a power cut.

SQLite writes through a *VFS*, a table of functions that a program may replace. `Recorder` puts its
own in front of the system's, for the SQLite that the journal itself uses, and looks on as Python
syncs, renames and removes files. Everything is carried out as well: nothing behaves differently.

What was written and not synced may be on the disk after a cut, or not, or in part. `images` gives
the possible contents after each operation: with everything, without what was not synced, with the
last write torn, and with a part of what was not synced that the dice choose.
"""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    addressof,
    c_char_p,
    c_int,
    c_int64,
    c_void_p,
    cast,
)
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes were put into a file, which is made by it if there was none."""

    file: str
    offset: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """A file was cut to a length."""

    file: str
    length: int


@dataclass(frozen=True, slots=True)
class Remove:
    """A name was taken away."""

    file: str


@dataclass(frozen=True, slots=True)
class Rename:
    """A file took another name, and the place of what had it."""

    file: str
    to: str


@dataclass(frozen=True, slots=True)
class Sync:
    """What the file holds is on the disk."""

    file: str


@dataclass(frozen=True, slots=True)
class SyncNames:
    """What the files are called is on the disk."""


@dataclass(frozen=True, slots=True)
class Promise:
    """Somebody was told that something is there for good."""

    what: int


Change = Write | Truncate | Remove | Rename
Operation = Change | Sync | SyncNames | Promise

Image = dict[str, bytes]
"""What each file holds, by name."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The power went after `operations` operations; `files` is one thing that may be found then."""

    operations: int
    how: str
    files: Image
    promised: int
    """The last promise that was made before, 0 if none was."""

    def lay_out(self, directory: Path) -> None:
        """Write the image into an empty folder."""
        for name, content in self.files.items():
            (directory / name).write_bytes(content)


def images(operations: list[Operation], dice: Random) -> Iterator[Cut]:
    """Everything that is looked at of each moment at which the power may go."""
    promised = 0
    for count in range(len(operations) + 1):
        done = operations[:count]
        if done and isinstance(done[-1], Promise):
            promised = done[-1].what
        lost = _unsynced(done)
        for how, kept in _ways(lost, dice):
            files = _replayed(done, lost - kept)
            if how == "torn" and done and isinstance(done[-1], Write):
                files = _replayed([*done[:-1], _half(done[-1])], lost - kept)
            yield Cut(count, how, files, promised)


def _ways(lost: frozenset[int], dice: Random) -> Iterator[tuple[str, frozenset[int]]]:
    yield "all", lost
    if lost:
        yield "synced only", frozenset()
        yield "torn", lost
        yield "some", frozenset(at for at in lost if dice.random() < 0.5)


def _half(write: Write) -> Write:
    return Write(write.file, write.offset, write.content[: len(write.content) // 2])


def _unsynced(done: list[Operation]) -> frozenset[int]:
    """The changes, by their place, that no sync has made durable yet."""
    waiting: set[int] = set()
    for at, operation in enumerate(done):
        match operation:
            case Sync(file):
                waiting -= {each for each in waiting if _content_of(done[each], file)}
            case SyncNames():
                waiting -= {each for each in waiting if isinstance(done[each], Remove | Rename)}
            case Write() | Truncate() | Remove() | Rename():
                waiting.add(at)
            case Promise():
                pass
    return frozenset(waiting)


def _content_of(operation: Operation, file: str) -> bool:
    return isinstance(operation, Write | Truncate) and operation.file == file


def _replayed(done: list[Operation], lost: frozenset[int]) -> Image:
    files: dict[str, bytearray] = {}
    for at, operation in enumerate(done):
        if at in lost:
            continue
        match operation:
            case Write(file, offset, content):
                held = files.setdefault(file, bytearray())
                held.extend(bytes(max(0, offset - len(held))))
                held[offset : offset + len(content)] = content
            case Truncate(file, length):
                held = files.setdefault(file, bytearray())
                del held[length:]
            case Remove(file):
                files.pop(file, None)
            case Rename(file, to):
                files[to] = files.pop(file, bytearray())
            case _:
                pass
    return {name: bytes(content) for name, content in files.items()}


# SQLite's own structures, as sqlite3.h has them


class _File(Structure):
    _fields_: ClassVar = [("methods", c_void_p)]


_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)


class _Methods(Structure):
    _fields_: ClassVar = [
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", _WRITE),
        ("truncate", _TRUNCATE),
        ("sync", _SYNC),
        ("rest", c_void_p * 13),
    ]


# Paths are passed on as the pointers that they are: SQLite keeps them and reads what is behind.
_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_DELETE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int)


class _Vfs(Structure):
    _fields_: ClassVar = [
        ("version", c_int),
        ("file_size", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", _OPEN),
        ("delete", _DELETE),
        ("rest", c_void_p * 14),
    ]


class Recorder:
    """Records what is done to the files of one folder while it is entered; `operations` is kept."""

    def __init__(self, directory: Path) -> None:
        self.operations: list[Operation] = []
        self._directory = directory.resolve()
        self._lock = threading.Lock()
        self._sqlite = ctypes.CDLL("libsqlite3.so.0")
        self._sqlite.sqlite3_vfs_find.restype = POINTER(_Vfs)
        self._system: Any = self._sqlite.sqlite3_vfs_find(None)
        self._names: dict[int, str] = {}
        self._tables: dict[int, _Methods] = {}
        self._vfs = self._front()
        self._python = {name: getattr(os, name) for name in ("fsync", "replace", "unlink")}

    def promise(self, what: int) -> None:
        """Somebody relies on it from here on."""
        self._note(Promise(what))

    def __enter__(self) -> "Recorder":
        self._sqlite.sqlite3_vfs_register(ctypes.byref(self._vfs), 1)
        os.fsync = self._fsync
        os.replace = self._replace
        os.unlink = self._unlink
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._sqlite.sqlite3_vfs_register(self._system, 1)
        self._sqlite.sqlite3_vfs_unregister(ctypes.byref(self._vfs))
        for name, function in self._python.items():
            setattr(os, name, function)

    def _note(self, operation: Operation) -> None:
        with self._lock:
            self.operations.append(operation)

    def _own(self, path: str | bytes | Path) -> str | None:
        """The name of a file of the folder, None for one that lies elsewhere."""
        found = Path(os.fsdecode(path))
        return found.name if found.parent == self._directory else None

    # What SQLite does

    def _front(self) -> _Vfs:
        front = _Vfs.from_buffer_copy(self._system.contents)
        front.name = b"recorder"
        front.open = _OPEN(self._open)
        front.delete = _DELETE(self._delete)
        return front

    def _open(self, vfs: int, path: int | None, file: int, flags: int, given: int) -> int:
        code: int = self._system.contents.open(vfs, path, file, flags, given)
        name = None if path is None else self._own(ctypes.string_at(path))
        methods = cast(file, POINTER(_File)).contents
        if code == 0 and name is not None and methods.methods:
            self._names[file] = name
            methods.methods = addressof(self._table(methods.methods))
        return code

    def _table(self, system: int) -> _Methods:
        """The methods of a file with ours in front; one table for each of the system's."""
        if system not in self._tables:
            original = _Methods.from_address(system)
            table = _Methods.from_buffer_copy(original)
            table.write = _WRITE(self._writes(original.write))
            table.truncate = _TRUNCATE(self._truncates(original.truncate))
            table.sync = _SYNC(self._syncs(original.sync))
            self._tables[system] = table
        return self._tables[system]

    def _writes(self, system: Callable[..., int]) -> Callable[..., int]:
        def write(file: int, content: int, length: int, offset: int) -> int:
            code = system(file, content, length, offset)
            if code == 0:
                self._note(Write(self._names[file], offset, ctypes.string_at(content, length)))
            return code

        return write

    def _truncates(self, system: Callable[..., int]) -> Callable[..., int]:
        def truncate(file: int, length: int) -> int:
            code = system(file, length)
            if code == 0:
                self._note(Truncate(self._names[file], length))
            return code

        return truncate

    def _syncs(self, system: Callable[..., int]) -> Callable[..., int]:
        def sync(file: int, flags: int) -> int:
            code = system(file, flags)
            if code == 0:
                self._note(Sync(self._names[file]))
            return code

        return sync

    def _delete(self, vfs: int, path: int, sync_names: int) -> int:
        code: int = self._system.contents.delete(vfs, path, sync_names)
        name = self._own(ctypes.string_at(path))
        if code == 0 and name is not None:
            self._note(Remove(name))
            if sync_names:
                self._note(SyncNames())
        return code

    # What Python does

    def _fsync(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        name = self._own(path)
        if path == self._directory:
            self._python["fsync"](descriptor)
            self._note(SyncNames())
            return
        if name is not None:
            # The content is noted where it is synced: it was written just before.
            self._note(Truncate(name, 0))
            self._note(Write(name, 0, path.read_bytes()))
        self._python["fsync"](descriptor)
        if name is not None:
            self._note(Sync(name))

    def _replace(self, file: Any, to: Any, **rest: Any) -> None:
        self._python["replace"](file, to, **rest)
        source, target = self._own(file), self._own(to)
        if source is not None and target is not None:
            self._note(Rename(source, target))

    def _unlink(self, file: Any, **rest: Any) -> None:
        self._python["unlink"](file, **rest)
        name = self._own(file)
        if name is not None:
            self._note(Remove(name))
