"""What a process that forks runs has done beforehand: imports, and the reading of documents inside Ansible's plugins.

Nothing here depends on a project, and nothing here is decided beforehand: which plugin a name stands for, whose
documents count, what a file says now, all that happens in each run, which then finds modules and parsed texts lying
ready. A team's own plugin of the same name is loaded, as ever, from its own file.
"""

from __future__ import annotations

import ast
import importlib
import importlib.machinery
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bsm_remediate.adapters.ansible import warm_payloads
else:
    import warm_payloads

_PLUGINS = "ansible.plugins"
_KINDS = (
    *("doc_fragments", "action", "become", "cache", "callback", "connection", "filter", "inventory", "lookup"),
    *("shell", "strategy", "test", "vars"),
)
_CORE = (
    *("ansible.cli.playbook", "ansible.executor.interpreter_discovery", "ansible.executor.module_common"),
    *("ansible.executor.playbook_executor", "ansible.executor.process.worker", "ansible.executor.task_executor"),
    *("ansible.executor.task_queue_manager", "ansible.module_utils._internal._json._profiles._module_legacy_c2m"),
    *("ansible.module_utils._internal._json._profiles._module_legacy_m2c", "ansible.module_utils.connection"),
    *("ansible.modules", "ansible.playbook.handler_task_include", "ansible.playbook.included_file"),
    *("ansible.playbook.role_include", "ansible.template", "ansible.utils._junit_xml", "ansible.utils.hashing"),
    *("ansible.utils.shlex", "ansible.vars.hostvars", "ansible.vars.manager", "cmd", "getpass"),
    *("multiprocessing.popen_fork", "multiprocessing.resource_tracker", "multiprocessing.shared_memory"),
    *("multiprocessing.synchronize", "pprint", "tomllib"),
)


class Unfit(Exception):
    """This version of Ansible isn't built as expected, so that nothing can be prepared for it."""


def preload(*, adapt: Callable[[Mapping[str, ModuleType]], None]) -> list[str]:
    """Import Ansible, and have parsed what its plugins document; files and folders that change with an upgrade.

    `adapt` is shown the plugins before they are set aside.
    """
    for name in _CORE:
        importlib.import_module(name)
    loader = importlib.import_module("ansible.plugins.loader")
    documents = _Documents(loader)
    _prepare_imports(loader, documents, adapt)
    constants = importlib.import_module("ansible.constants")
    for folder in constants.DEFAULT_CALLBACK_PLUGIN_PATH:
        documents.learn_file(Path(folder, f"{constants.DEFAULT_STDOUT_CALLBACK}.py"))
    documents.install()
    warm_payloads.install(Path(str(sys.modules["ansible"].__file__)).parent)
    watched = {path for name in ("ansible", "jinja2", "yaml") for path in _watched(sys.modules[name])}
    return sorted(watched)


def _watched(package: ModuleType) -> Iterator[str]:
    place, _, _ = str(package.__file__).rpartition("/")
    yield place.rpartition("/")[0]  # pip writes to it with every change
    if package.__name__ == "ansible":
        yield f"{place}/release.py"


def _prepare_imports(loader: Any, documents: _Documents, adapt: Callable[[Mapping[str, ModuleType]], None]) -> None:
    modules = _ReadyModules(loader)
    here = set(sys.modules)
    for kind in _KINDS:
        package = importlib.import_module(f"{_PLUGINS}.{kind}")
        for one in pkgutil.iter_modules(package.__path__):
            name = f"{package.__name__}.{one.name}"
            if name == f"{_PLUGINS}.cache.base":
                continue  # only says that it is outdated
            try:
                module = importlib.import_module(name)
            except Exception:  # noqa: BLE001, S112  # one whose library isn't installed
                continue
            if kind != "doc_fragments":
                documents.learn(getattr(module, "DOCUMENTATION", None), str(module.__file__))
    ours = [one for one in sys.modules.keys() - here if one.startswith(f"{_PLUGINS}.") and one.count(".") > 2]
    adapt({name: sys.modules[name] for name in ours})
    for name in ours:
        modules.set_aside(name)
    modules.install()


class _ReadyModules:
    """Modules of Ansible's own plugins, out of sight until somebody asks for that very file.

    Left in `sys.modules` they would be taken for a team's plugins of the same names.
    """

    def __init__(self, loader: Any) -> None:
        self._loader_class = loader.PluginLoader
        self._usual: Callable[..., ModuleType] = self._loader_class._load_module_source  # noqa: SLF001
        self._by_name: dict[str, ModuleType] = {}
        self._by_path: dict[str, str] = {}

    def set_aside(self, name: str) -> None:
        module = self._by_name[name] = sys.modules.pop(name)
        self._by_path[str(module.__file__)] = name
        package, _, leaf = name.rpartition(".")
        delattr(sys.modules[package], leaf)

    def install(self) -> None:
        sys.meta_path.insert(0, self)

        def load_module_source(_loader: object, *, python_module_name: str, path: str) -> ModuleType:
            name = self._by_path.get(path)
            if name is not None and python_module_name not in sys.modules and name in self._by_name:
                module = sys.modules[python_module_name] = self._by_name.pop(name)
                return module
            return self._usual(_loader, python_module_name=python_module_name, path=path)

        self._loader_class._load_module_source = load_module_source  # noqa: SLF001

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        known = self._by_name.get(name)
        return importlib.util.spec_from_file_location(name, known.__file__, loader=self) if known else None  # type: ignore[arg-type]

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return self._by_name.pop(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """It has been executed."""


class _Documents:
    """What the YAML inside plugins comes to. Stands where their loader has the module `yaml`.

    The same text from the same place is the same document; each is given away once, since who gets it changes it.
    """

    def __init__(self, loader: Any) -> None:
        self._places: tuple[Any, ...] = (loader, importlib.import_module("ansible.utils.plugin_docs"))
        self._yaml = loader.yaml
        self._reader = loader.AnsibleLoader
        self._tags = importlib.import_module("ansible._internal._datatag._tags")
        self._tagged = importlib.import_module("ansible.module_utils._internal._datatag").AnsibleTagHelper
        self._parsed: dict[object, object] = {}
        self._fragments: dict[str, ModuleType] = {}
        self._finder: Any = importlib.import_module("ansible.utils.collection_loader._collection_finder")

    def learn_file(self, path: Path) -> None:
        """What the plugin in `path` documents, if it is there."""
        try:
            body = ast.parse(path.read_bytes()).body
        except (OSError, SyntaxError, ValueError):
            return
        for one in body:
            is_constant = isinstance(one, ast.Assign) and isinstance(one.value, ast.Constant)
            names = [target.id for target in getattr(one, "targets", ()) if isinstance(target, ast.Name)]
            if is_constant and names == ["DOCUMENTATION"]:
                self.learn(one.value.value, str(path))  # type: ignore[attr-defined]

    def learn(self, text: object, path: str) -> None:
        """Read `text` as `PluginLoader._load_config_defs` does."""
        document = self._learn(text or "", path)
        slugs = document.get("extends_documentation_fragment", []) if isinstance(document, dict) else []
        for slug in slugs.split(",") if isinstance(slugs, str) else slugs:
            name, _, variable = slug.strip().partition(".")
            fragments = sys.modules.get(f"{_PLUGINS}.doc_fragments.{name}") or self._fragments.get(name)
            if fragments is not None:
                self._fragments[name] = fragments
                place = getattr(fragments, "ModuleDocFragment", None)
                self._learn(getattr(place, variable.upper() or "DOCUMENTATION", None) or "", path)

    def _learn(self, plain: object, path: str) -> object:
        text = self._tags.Origin(path=path).tag(self._tags.TrustedAsTemplate().tag(plain))
        self._parsed[self._key(text, self._reader)] = self._yaml.load(text, Loader=self._reader)
        return self._yaml.load(text, Loader=self._reader)

    def _key(self, text: Any, reader: object) -> object:
        return (str(text), frozenset(self._tagged.tags(text)), reader) if isinstance(text, str) else None

    def install(self) -> None:
        for place in self._places:
            if place.yaml is not self._yaml or place.AnsibleLoader is not self._reader:
                raise Unfit("the plugin loader reads YAML another way")
            place.yaml = self
        self._install_routing()

    def _install_routing(self) -> None:
        """Where Ansible's own plugins have moved: 1,000 lines of YAML in each run."""
        usual = self._finder._meta_yml_to_dict  # noqa: SLF001
        place, _, _ = str(sys.modules["ansible"].__file__).rpartition("/")
        with open(f"{place}/config/ansible_builtin_runtime.yml", "rb") as file:  # noqa: PTH123
            text = file.read()
        known = [usual(text, ("ansible.builtin", "runtime.yml"))]

        def read(given: bytes | str, place: object) -> object:
            return known.pop() if known and given == text else usual(given, place)

        self._finder._meta_yml_to_dict = read  # noqa: SLF001

    def load(self, stream: Any, Loader: object) -> object:  # noqa: N803
        found = self._parsed.pop(self._key(stream, Loader), None)
        return found if found is not None else self._yaml.load(stream, Loader=Loader)

    def __getattr__(self, name: str) -> object:
        return getattr(self._yaml, name)
