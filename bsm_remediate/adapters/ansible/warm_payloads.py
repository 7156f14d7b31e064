"""What Ansible sends of itself along with each module: found by reading sources, packed, the same in every run.

Only with the sources that it was made from, and where nothing but Ansible's own can be meant, a part that lies ready
is used; else it is made as ever.
"""

from __future__ import annotations

import importlib
import io
import os
import pickle
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_MODULES = (
    *("apt", "async_status", "command", "copy", "cron", "dnf", "file", "find", "get_url", "lineinfile", "mount_facts"),
    *(
        "package_facts",
        "ping",
        "replace",
        "service",
        "service_facts",
        "setup",
        "slurp",
        "stat",
        "systemd",
        "systemd_service",
    ),
    *("tempfile", "unarchive", "uri", "user", "wait_for"),
)
"""For which the whole lies ready; for others, what each source imports."""


def install(root: Path) -> None:
    """Prepare for the Ansible in the folder `root`."""
    module_common = importlib.import_module("ansible.executor.module_common")
    _Dependencies(module_common).install(root)
    _Archives(module_common, root).install()


class _Dependencies:
    """What modules and what they share import, found by reading their source: the same source imports the same."""

    def __init__(self, module_common: Any) -> None:
        self._place = module_common
        self._compile = module_common._compile_module_ast  # noqa: SLF001
        self._finder = module_common.ModuleDepFinder
        self._known: dict[bytes, dict[tuple[str, bool], _Scanned]] = {}

    def install(self, root: Path) -> None:
        for top in ("modules", "module_utils"):
            for path in (root / top).rglob("*.py"):
                self._learn(path, is_package=path.name == "__init__.py", root=root.parent)
        self._place._compile_module_ast = self._tree  # noqa: SLF001
        usual = self._finder.__init__

        def found(finder: Any, name: str, tree: Any, is_pkg_init: bool = False) -> None:
            scanned = tree.known.get((name, is_pkg_init)) if isinstance(tree, _Source) else None
            if scanned is None:
                usual(finder, name, tree.parsed() if isinstance(tree, _Source) else tree, is_pkg_init)
            else:
                finder.submodules, finder.optional_imports = set(scanned.submodules), set(scanned.optional_imports)

        self._finder.__init__ = found

    def _learn(self, path: Path, *, is_package: bool, root: Path) -> None:
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if is_package else parts)
        source = path.read_bytes()
        found = self._finder(name, self._compile(name, source), is_package)
        known = self._known.setdefault(source, {})
        known[name, is_package] = _Scanned(frozenset(found.submodules), frozenset(found.optional_imports))

    def _tree(self, name: str, source: str | bytes) -> object:
        """The parsed `source`; or, where it is known what that imports, something that says so."""
        asked = self._place.C.config.get_config_value("_MODULE_METADATA")  # only then the tree is looked at
        known = self._known.get(bytes(source)) if isinstance(source, bytes) and not asked else None
        return _Source(known, lambda: self._compile(name, source)) if known else self._compile(name, source)


@dataclass(frozen=True, slots=True)
class _Source:
    known: dict[tuple[str, bool], _Scanned]
    parsed: Callable[[], object]


@dataclass(frozen=True, slots=True)
class _Scanned:
    """What Ansible's `ModuleDepFinder` has found."""

    submodules: frozenset[tuple[str, ...]]
    optional_imports: frozenset[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Archive:
    """What goes into a module's archive before the module."""

    source: bytes
    compression: int
    content: bytes
    members: list[zipfile.ZipInfo]
    metadata: object


class _Archives:
    """Archives for modules, but for the modules themselves."""

    def __init__(self, module_common: Any, root: Path) -> None:
        self._place = module_common
        self._root = root
        self._usual = module_common.recursive_finder
        self._known: dict[str, _Archive] = {}

    def install(self) -> None:
        # In a process of its own, since Ansible's finder of collections can be set up only once.
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                importlib.import_module("ansible.plugins.loader").init_plugin_loader()
                with os.fdopen(write, "wb") as pipe:
                    pickle.dump(list(self._made()), pipe)
                code = 0
            except Exception:  # noqa: BLE001  # the outermost loop of this process; without archives it works, too
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(code)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            packed = pipe.read()
        if os.waitpid(pid, 0)[1] == 0:
            made = pickle.loads(packed)  # noqa: S301  # from a fork of this very process
            self._known = {fqn: _Archive(*parts) for fqn, *parts in made}
            self._place.recursive_finder = self._find

    def _made(self) -> Iterator[tuple[object, ...]]:
        """Names with the parts of archives; not these themselves, whose class a pickle can't find again."""
        extensions = importlib.import_module("ansible._internal._ansiballz._builder").ExtensionManager
        compression = getattr(zipfile, self._place.C.DEFAULT_MODULE_COMPRESSION, zipfile.ZIP_STORED)
        for name in _MODULES if self._means_ansibles_own() else ():
            path, fqn = self._root / "modules" / f"{name}.py", f"ansible.modules.{name}"
            if not path.is_file() or path.is_symlink():
                continue
            packed = io.BytesIO()
            archive = zipfile.ZipFile(packed, mode="w", compression=compression)
            made = datetime.now(UTC)
            source = path.read_bytes()
            metadata = self._usual(name, fqn, source, archive, made, extensions.create(task_vars={}))
            content = packed.getvalue()[: archive.start_dir]
            yield fqn, source, compression, content, archive.filelist, metadata

    def _find(self, name: str, fqn: str, source: bytes, archive: Any, made: object, extensions: Any) -> object:
        known = self._known.get(fqn)
        as_known = known is not None and known.source == source and known.compression == archive.compression
        if known is None or not as_known or list(extensions.module_names) or not self._means_ansibles_own():
            return self._usual(name, fqn, source, archive, made, extensions)
        archive.fp.write(known.content)
        archive.start_dir = archive.fp.tell()
        archive.filelist.extend(known.members)
        archive.NameToInfo.update({member.filename: member for member in known.members})
        archive._didModify = True  # noqa: SLF001
        return known.metadata

    def _means_ansibles_own(self) -> bool:
        """Whether nobody else's `module_utils` can be found."""
        if self._place.C.config.get_config_value("_MODULE_METADATA"):
            return False
        folders = self._place.module_utils_loader._get_paths(subdirs=False)  # noqa: SLF001
        return all(Path(folder).is_relative_to(self._root) for folder in folders if Path(folder).is_dir())
