"""Reports: of a scan as one page, a table or JSON lines; of credentials as a folder of pages."""

from typing import TYPE_CHECKING

from provenance._lazy import lazy_exports

if TYPE_CHECKING:
    from provenance.reports.credential_item import CredentialItem
    from provenance.reports.credential_report import CredentialReport
    from provenance.reports.item import Item
    from provenance.reports.page import render_html
    from provenance.reports.tables import render_csv, render_jsonl
    from provenance.reports.writing import check_destination, write_report

__all__ = [
    "CredentialItem",
    "CredentialReport",
    "Item",
    "check_destination",
    "render_csv",
    "render_html",
    "render_jsonl",
    "write_report",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "CredentialItem": "provenance.reports.credential_item",
        "CredentialReport": "provenance.reports.credential_report",
        "Item": "provenance.reports.item",
        "check_destination": "provenance.reports.writing",
        "render_csv": "provenance.reports.tables",
        "render_html": "provenance.reports.page",
        "render_jsonl": "provenance.reports.tables",
        "write_report": "provenance.reports.writing",
    },
)
