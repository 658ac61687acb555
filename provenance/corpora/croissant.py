"""Describes a corpus in MLCommons Croissant 1.0 (JSON-LD), so that other tools can load it.

Source: Croissant format specification 1.0, docs.mlcommons.org/croissant/docs/croissant-spec.html.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from provenance.corpora import encoding
from provenance.corpora.schema import ROWS_FILE
from provenance.types import MediaKind

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_COLUMNS: Mapping[str, tuple[str, str]] = {
    "file_name": ("sc:Text", "Path of the file, relative to the corpus."),
    "sha256": ("sc:Text", "SHA-256 of the file."),
    "kind": ("sc:Text", "Media kind."),
    "label": ("sc:Text", "real or synthetic."),
    "generator": ("sc:Text", "Generator that made it."),
    "generator_version": ("sc:Text", "Version of the generator."),
    "checkpoint": ("sc:Text", "SHA-256 of the generator's weights."),
    "seed": ("sc:Integer", "Seed of the batch that it was drawn in."),
    "class": ("sc:Text", "Class of the real item, or the one that a sample was asked for."),
    "parent": ("sc:Text", "Id of the real item that it was made from."),
    "step": ("sc:Text", "real, reconstruction, resample or sample."),
    "split": ("sc:Text", "train, validation, calibration or test."),
    "manifest": ("sc:Text", "embedded where the file carries a C2PA manifest."),
    "group": ("sc:Text", "Photograph, speaker or author of the parent."),
    "member": ("sc:Text", "Generator of an ensemble that made the sample."),
}


def describe(header: Mapping[str, Any], *, rows_sha256: str) -> dict[str, Any]:
    """Return the Croissant description.

    Args:
        header: Of the corpus, as ``corpus.json`` holds it.
        rows_sha256: Of ``metadata.jsonl``.
    """
    files = header["counts"]["files"]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "provenance-corpus",
        "description": f"{files} labelled real and synthetic files: {header['command']}",
        "url": "https://pypi.org/project/provenance-suite/",
        "license": sorted(set(header["licences"].values())) or "unstated",
        "datePublished": header["created"],
        "version": "1.0.0",
        "distribution": [
            _rows_file(rows_sha256),
            *map(_shard, header.get("shards", ())),
            _media_files(MediaKind(header["kind"]), header.get("shards", ())),
        ],
        "recordSet": [_record_set()],
    }


def _rows_file(sha256: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": ROWS_FILE,
        "name": ROWS_FILE,
        "description": "One JSON object a line: what each file is.",
        "contentUrl": ROWS_FILE,
        "encodingFormat": "application/jsonlines",
        "sha256": sha256,
    }


def _shard(about: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": about["name"],
        "name": about["name"],
        "description": f"Files of the split {about['split']}, each beside its row.",
        "contentUrl": about["name"],
        "contentSize": f"{about['bytes']} B",
        "encodingFormat": "application/x-tar",
        "sha256": about["sha256"],
    }


def _media_files(kind: MediaKind, shards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    end = encoding.suffix(kind)
    inside = {"containedIn": [{"@id": about["name"]} for about in shards]} if shards else {}
    return {
        "@type": "cr:FileSet",
        "@id": "media-files",
        "name": "media-files",
        "description": f"The {kind} files.",
        **inside,
        "encodingFormat": encoding.media_type(kind),
        "includes": [f"real/*{end}", f"synthetic/*/*/*{end}"],
    }


def _record_set() -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "files",
        "name": "files",
        "description": "One record a file.",
        "key": {"@id": "files/file_name"},
        "field": [_field(name, *about) for name, about in _COLUMNS.items()],
    }


def _field(column: str, data_type: str, description: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"files/{column}",
        "name": f"files/{column}",
        "description": description,
        "dataType": data_type,
        "source": {"fileObject": {"@id": ROWS_FILE}, "extract": {"column": column}},
    }
