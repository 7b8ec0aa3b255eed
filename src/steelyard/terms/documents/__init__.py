"""Documents: a margin method as data, with units, versions, a hash, a linter, differences, signatures.

`documents().get("paradex-pm")` is the newest version known; `with_parameters` applies what a case
overrides; `load_document` reads a file. See `docs/method-document.schema.json` for the form.
"""

from steelyard.terms.documents.difference import Change, difference
from steelyard.terms.documents.document import MethodDocument, instant_us
from steelyard.terms.documents.findings import Finding
from steelyard.terms.documents.library import Library, documents
from steelyard.terms.documents.lint import lint
from steelyard.terms.documents.reading import load_document, parse_document
from steelyard.terms.documents.schema import document_schema
from steelyard.terms.documents.signing import Signature, sign, verify

__all__ = [
    "Change",
    "Finding",
    "Library",
    "MethodDocument",
    "Signature",
    "difference",
    "document_schema",
    "documents",
    "instant_us",
    "lint",
    "load_document",
    "parse_document",
    "sign",
    "verify",
]
