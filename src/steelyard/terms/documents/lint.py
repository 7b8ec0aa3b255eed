"""The linter: what in a margin method is dangerous, told by the names, the units and the numbers."""

from __future__ import annotations

from steelyard.terms.documents import lint_document, lint_levels, lint_scenarios, lint_tiers
from steelyard.terms.documents.document import MethodDocument
from steelyard.terms.documents.findings import Finding, Rule, applied, view

RULES: tuple[Rule, ...] = (
    *lint_levels.RULES,
    *lint_scenarios.RULES,
    *lint_tiers.RULES,
    *lint_document.RULES,
)
"""Every rule, by code. A code is never used again for another rule."""

_SEVERITIES = ("error", "warning", "note")


def lint(document: MethodDocument) -> list[Finding]:
    """Return what the rules find, errors first, then by code and field.

    An error makes a requirement too small or undefined; a warning is right only for a reason; a note
    says what a reader might miss.

    >>> from steelyard.terms.documents import documents
    >>> method = documents().get("paradex-pm").with_parameters({"maintenance_factor": 0})
    >>> [finding.field for finding in lint(method) if finding.code == "LINT-07"]
    ['parameters.maintenance_factor']
    """
    found = applied(RULES, view(document))
    return sorted(found, key=lambda each: (_SEVERITIES.index(each.severity), each.code))
