"""All that must not be shown of what runs of a project may print: secrets of the deployment, of its environment, of its
vaults.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bsm_remediate.adapters.ansible.project import AnsibleProject, AnsibleProjects
from bsm_remediate.adapters.ansible.redact import Redactor
from bsm_remediate.adapters.ansible.vault import VaultedValues


class Secrets:
    """Makes redactors that know the secrets as they are now."""

    def __init__(self, projects: AnsibleProjects, playbooks: Path, deployment: Iterable[str] = ()) -> None:
        self._deployment = tuple(deployment)
        self._vaulted = [(project, VaultedValues(project, playbooks)) for project in projects.all()]
        self._made: dict[int, tuple[tuple[str, ...], Redactor]] = {}

    def redactor(self, project: AnsibleProject) -> Redactor:
        """For a run of `project`."""
        place, vaulted = next((place, one[1]) for place, one in enumerate(self._vaulted) if one[0] is project)
        return self._redactor(place, (*self._deployment, *project.secrets(), *vaulted()))

    def redactor_of_all(self) -> Redactor:
        """For what may be of any project."""
        of_projects = [secret for project, values in self._vaulted for secret in (*project.secrets(), *values())]
        return self._redactor(len(self._vaulted), (*self._deployment, *of_projects))

    def _redactor(self, place: int, secrets: tuple[str, ...]) -> Redactor:
        known = self._made.get(place)
        if known is None or known[0] != secrets:
            known = self._made[place] = (secrets, Redactor(secrets))
        return known[1]
