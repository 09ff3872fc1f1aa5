"""The core's values as plain JSON and back, made from their type hints alone. Pure.

A new event, effect or field needs nothing here: what its hint says is what is written. A value has
one text, the same everywhere: mappings and sets are sorted. What cannot be written (a hint that says
too little) is a TypeError when the codec is made, long before there is a value.
"""

import hashlib
import json
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from operator import attrgetter
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

Functions = Mapping[str, Callable[..., Any]]
"""The functions that a value may hold, by the name that is written for them."""

_SCALARS: dict[type, tuple[type, ...]] = {
    int: (int,),
    float: (float, int),
    str: (str,),
    bool: (bool,),
    types.NoneType: (types.NoneType,),
}
"""What JSON has by itself, and as what it may come back."""

_dump = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def text_of(plain: Any) -> str:
    """The one text of what a `Coder` has written, in ASCII and on one line."""
    return _dump(plain)


@dataclass(frozen=True, slots=True)
class Coder:
    """How values of one type are written and read. `shape` tells the type, down to its fields.

    `read` raises ValueError for what is no such value. A `plain` one writes a value as it is.
    """

    name: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]
    plain: bool = False


class Codec:
    """Writes and reads any value of `hint`, which may be a union."""

    def __init__(self, hint: Any, functions: Functions) -> None:
        self._functions = functions
        self._classes: dict[type, Coder] = {}
        self._shapes: list[str] = []
        coder = self._coder(hint)
        self.write = coder.write
        self.read = coder.read
        told = "\n".join([coder.name, *sorted(self._shapes)])
        self.shape = hashlib.sha256(told.encode()).hexdigest()[:16]
        """The same for two programs exactly when their types have the same names and fields."""

    def _coder(self, hint: Any) -> Coder:
        if hint in _SCALARS:
            return _scalar(hint)
        if isinstance(hint, type) and get_origin(hint) is None:
            if hint not in self._classes:
                self._classes[hint] = self._class(hint)
            return self._classes[hint]
        return self._generic(hint, get_origin(hint), get_args(hint))

    def _class(self, hint: type) -> Coder:
        if issubclass(hint, Enum):
            members = ", ".join(f"{each.name}={each.value!r}" for each in hint)
            self._shapes.append(f"{hint.__name__}: {members}")
            return _enum(hint)
        if is_dataclass(hint):
            return self._record(hint)
        raise TypeError(f"{hint} says too little to be recorded")

    def _record(self, hint: type) -> Coder:
        """A dataclass is a list of its fields, in their order."""
        hints = get_type_hints(hint)
        coders = {each.name: self._coder(hints[each.name]) for each in fields(hint)}
        told = ", ".join(f"{name}: {coder.name}" for name, coder in coders.items())
        self._shapes.append(f"{hint.__name__}: {told}")
        particular = [(at, c.write) for at, c in enumerate(coders.values()) if not c.plain]
        values_of = _values_of(tuple(coders))

        def write(value: Any) -> list[Any]:
            written = list(values_of(value))
            for at, write_one in particular:
                written[at] = write_one(written[at])
            return written

        def read(plain: Any) -> Any:
            values = _list(plain, len(coders))
            pairs = zip(coders.items(), values, strict=True)
            return hint(**{name: coder.read(one) for (name, coder), one in pairs})

        return Coder(hint.__name__, write, read)

    def _generic(self, hint: Any, origin: Any, arguments: tuple[Any, ...]) -> Coder:
        if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
            return _series(self._coder(arguments[0]))
        if origin is tuple:
            return _triple(tuple(map(self._coder, arguments)))
        if origin is frozenset:
            return _set(self._coder(arguments[0]))
        if origin in (Mapping, dict):
            return _mapping(self._coder(arguments[0]), self._coder(arguments[1]))
        if origin in (Union, types.UnionType):
            return self._union(arguments)
        if origin is Literal:
            return Coder(str(arguments), _same, _one_of(arguments), plain=True)
        if origin is Callable:
            return self._function()
        raise TypeError(f"{hint} says too little to be recorded")

    def _union(self, arguments: tuple[Any, ...]) -> Coder:
        members = [each for each in arguments if each is not types.NoneType]
        coders = [self._coder(each) for each in members]
        name = " | ".join(sorted(coder.name for coder in coders))
        if len(members) < len(arguments):
            name += " | None"
        if all(each in _SCALARS for each in members):
            allowed = tuple(kind for each in arguments for kind in _SCALARS[each])
            return Coder(name, _same, _instance(allowed), plain=True)
        if len(members) == 1:
            return _optional(name, coders[0])
        by_type = {
            get_origin(each) or each: coder for each, coder in zip(members, coders, strict=True)
        }
        return _tagged(name, by_type)

    def _function(self) -> Coder:
        functions = self._functions

        def write(value: Any) -> str:
            for name, function in functions.items():
                if function is value:
                    return name
            raise TypeError(f"{value} has no name to be recorded under")

        def read(plain: Any) -> Any:
            if plain not in functions:
                raise ValueError(f"there is no function {plain!r}")
            return functions[plain]

        return Coder("function", write, read)


def _same(value: Any) -> Any:
    return value


def _values_of(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """The values of these fields; `attrgetter` alone gives no tuple for fewer than two."""
    if not names:
        return lambda _: ()
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda value: (get(value),)


def _instance(allowed: tuple[type, ...]) -> Callable[[Any], Any]:
    def read(plain: Any) -> Any:
        if not isinstance(plain, allowed):
            raise ValueError(f"{plain!r} is none of {allowed}")  # noqa: TRY004 - bad data, no bug
        return plain

    return read


def _enum(hint: type[Enum]) -> Coder:
    """A member is its value, or its name where the value is none that JSON has."""
    if issubclass(hint, int | str):
        return Coder(hint.__name__, _same, hint, plain=True)
    if all(isinstance(each.value, int | str) for each in hint):
        return Coder(hint.__name__, attrgetter("value"), hint)

    def read(plain: Any) -> Enum:
        if not isinstance(plain, str) or plain not in hint.__members__:
            raise ValueError(f"{plain!r} is no {hint.__name__}")
        return hint[plain]

    return Coder(hint.__name__, attrgetter("name"), read)


def _scalar(hint: type) -> Coder:
    return Coder(hint.__name__, _same, _instance(_SCALARS[hint]), plain=True)


def _one_of(allowed: tuple[Any, ...]) -> Callable[[Any], Any]:
    def read(plain: Any) -> Any:
        if plain not in allowed:
            raise ValueError(f"{plain!r} is none of {allowed}")
        return plain

    return read


def _list(plain: Any, length: int | None = None) -> list[Any]:
    if not isinstance(plain, list) or length not in (None, len(plain)):
        raise ValueError(f"{plain!r} is no list of {length}")
    return plain


def _optional(name: str, coder: Coder) -> Coder:
    if coder.plain:
        return Coder(name, _same, lambda plain: None if plain is None else coder.read(plain), True)
    return Coder(
        name,
        lambda value: None if value is None else coder.write(value),
        lambda plain: None if plain is None else coder.read(plain),
    )


def _series(of: Coder) -> Coder:
    return Coder(
        f"tuple[{of.name}, ...]",
        _same if of.plain else lambda value: [of.write(each) for each in value],
        lambda plain: tuple(of.read(each) for each in _list(plain)),
        of.plain,
    )


def _triple(of: tuple[Coder, ...]) -> Coder:
    def write(value: Any) -> list[Any]:
        return [coder.write(each) for coder, each in zip(of, value, strict=True)]

    def read(plain: Any) -> tuple[Any, ...]:
        pairs = zip(of, _list(plain, len(of)), strict=True)
        return tuple(coder.read(each) for coder, each in pairs)

    return Coder(f"tuple[{', '.join(each.name for each in of)}]", write, read)


def _set(of: Coder) -> Coder:
    return Coder(
        f"frozenset[{of.name}]",
        lambda value: sorted((of.write(each) for each in value), key=_dump),
        lambda plain: frozenset(of.read(each) for each in _list(plain)),
    )


def _mapping(key: Coder, to: Coder) -> Coder:
    def pairs(value: Any) -> Iterator[list[Any]]:
        return ([key.write(each), to.write(value[each])] for each in value)

    def read(plain: Any) -> dict[Any, Any]:
        found = (_list(pair, 2) for pair in _list(plain))
        return {key.read(each): to.read(value) for each, value in found}

    name = f"Mapping[{key.name}, {to.name}]"
    return Coder(name, lambda value: sorted(pairs(value), key=_dump), read)


def _tagged(name: str, by_type: Mapping[type, Coder]) -> Coder:
    """One of several types: its name goes before it."""
    by_name: dict[Any, Coder] = {coder.name: coder for coder in by_type.values()}

    def write(value: Any) -> list[Any] | None:
        if value is None:
            return None
        coder = by_type[type(value)]
        return [coder.name, coder.write(value)]

    def read(plain: Any) -> Any:
        if plain is None and name.endswith(" | None"):
            return None
        tag, inner = _list(plain, 2)
        if tag not in by_name:
            raise ValueError(f"{tag!r} is none of {', '.join(by_name)}")
        return by_name[tag].read(inner)

    return Coder(name, write, read)
