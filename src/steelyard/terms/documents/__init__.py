"""Documents: a margin method as data, with units, versions, a hash, a linter, differences, signatures.

`documents().get("paradex-pm")` is the newest version known; `with_parameters` applies what a case
overrides; `load_document` reads a file. See `docs/method-document.schema.json` for the form.
"""

from steelyard.terms.documents.document import MethodDocument
from steelyard.terms.documents.library import Library, documents
from steelyard.terms.documents.reading import load_document, parse_document

__all__ = [
    "Library",
    "MethodDocument",
    "documents",
    "load_document",
    "parse_document",
]
