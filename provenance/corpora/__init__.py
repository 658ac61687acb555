"""The labelled corpus on disk: how it is made, described, read, split and audited."""

from typing import TYPE_CHECKING

from provenance._lazy import lazy_exports

if TYPE_CHECKING:
    from provenance.corpora.audit import AuditResult, audit_corpus
    from provenance.corpora.generation import Summary, generate
    from provenance.corpora.reader import Corpus, open_corpus
    from provenance.corpora.request import Request
    from provenance.corpora.schema import Row
    from provenance.corpora.splits import assign_splits

__all__ = [
    "AuditResult",
    "Corpus",
    "Request",
    "Row",
    "Summary",
    "assign_splits",
    "audit_corpus",
    "generate",
    "open_corpus",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "AuditResult": "provenance.corpora.audit",
        "Corpus": "provenance.corpora.reader",
        "Request": "provenance.corpora.request",
        "Row": "provenance.corpora.schema",
        "Summary": "provenance.corpora.generation",
        "assign_splits": "provenance.corpora.splits",
        "audit_corpus": "provenance.corpora.audit",
        "generate": "provenance.corpora.generation",
        "open_corpus": "provenance.corpora.reader",
    },
)
