"""Names of components: one registry per family, filled by the family's own modules."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Generic, TypeVar

from dvr_ray.errors import ConfigError, nearest

__all__ = ["Registry", "canonical"]

T = TypeVar("T")


def canonical(name: str) -> str:
    """Return a name in lower case; ``package.module:Class`` stays as it is."""
    return name if ":" in name else name.lower()


class Registry(Generic[T]):
    """Map from a component's name to its class.

    ``@REGISTRY.add("name")`` above a class registers it. On first use the registry imports every
    module of its package, so that a new component is one file. A component outside the package is
    named ``package.module:Class`` and imported by whichever process needs it.

    Parameters
    ----------
    family : str
        What the components are, for messages: ``"backbone"``.
    package : str
        Dotted name of the package whose modules register components.
    """

    def __init__(self, family: str, package: str) -> None:
        self.family = family
        self._package = package
        self._classes: dict[str, type[T]] = {}
        self._scanned = False

    def add(self, name: str) -> Callable[[type[T]], type[T]]:
        """Return a decorator that registers a class; a name given twice is an error."""

        def register(cls: type[T]) -> type[T]:
            if name in self._classes and self._classes[name].__qualname__ != cls.__qualname__:
                raise ValueError(f"{self.family} {name!r} is registered twice")
            self._classes[name] = cls
            return cls

        return register

    def names(self) -> list[str]:
        """Return all registered names, sorted."""
        self._scan()
        return sorted(self._classes)

    def get(self, name: str, place: str | None = None) -> type[T]:
        """Return the class of a name.

        Parameters
        ----------
        name : str
            A registered name, or ``package.module:Class``.
        place : str, optional
            Where the name was written, for the message.

        Raises
        ------
        ConfigError
            If the name is unknown or the outside class can't be imported.
        """
        self._scan()
        place = place or f"{self.family}.name"
        if ":" in name:
            return self._outside(name, place)
        if name not in self._classes:
            raise ConfigError(
                place, f"unknown {self.family} {name!r}", nearest(name, self._classes)
            )
        return self._classes[name]

    def _outside(self, name: str, place: str) -> type[T]:
        module, _, attribute = name.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]
        except Exception as error:  # somebody's module may raise anything
            cause = " ".join(f"{type(error).__name__}: {error}".split())
            raise ConfigError(
                place,
                f"can't import {self.family} {name!r} ({cause})",
                "name it package.module:Class and put the package on every worker's path",
            ) from error

    def _scan(self) -> None:
        if self._scanned:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
        self._scanned = True
