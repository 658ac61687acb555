"""Reads a list of trusted entities, the JSON form in which the C2PA publishes its trust lists.

The form is ETSI TS 119 602 (LoTE) with C2PA's two service statuses, ``trusted`` and ``untrusted``.
Only what trust depends on is read; the rest of a list may be anything.
"""

import base64
import binascii
import datetime
from dataclasses import dataclass
from typing import Literal

from cryptography import x509
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from provenance.credentials.keys.parsing import parse_der
from provenance.errors import UserError

_REMEDY = "Give the JSON list as the C2PA publishes it, or a PEM file of root certificates."
_STATUS = "http://c2pa.org/conformance/trust-list/"


class _Text(BaseModel):
    value: str


class _Binary(BaseModel):
    val: str


class _Identity(BaseModel):
    certificates: list[_Binary] = Field(alias="X509Certificates", min_length=1)


class _Information(BaseModel):
    name: list[_Text] = Field(alias="ServiceName", min_length=1)
    identity: _Identity = Field(alias="ServiceDigitalIdentity")
    status: str = Field(alias="ServiceStatus")


class _Service(BaseModel):
    information: _Information = Field(alias="ServiceInformation")


class _Entity(BaseModel):
    services: list[_Service] = Field(alias="TrustedEntityServices")


class _Scheme(BaseModel):
    name: list[_Text] = Field(alias="SchemeName", default_factory=list)
    issued: AwareDatetime = Field(alias="ListIssueDateTime")
    next_update: AwareDatetime | None = Field(alias="NextUpdate", default=None)


class _List(BaseModel):
    scheme: _Scheme = Field(alias="ListAndSchemeInformation")
    entities: list[_Entity] = Field(alias="TrustedEntitiesList")


class _Document(BaseModel):
    content: _List = Field(alias="LoTE")


@dataclass(frozen=True, slots=True)
class EntityList:
    """What a list of trusted entities says.

    Attributes:
        certificates: Of the services that are trusted, in order.
        withdrawn: Names of the services that the list calls untrusted; they are left out.
        issued: When the list was issued, ISO 8601.
        next_update: When a newer list will be due, ISO 8601; None where it does not say.
        purpose: What C2PA's own two lists are for; None for any other list.
    """

    certificates: tuple[x509.Certificate, ...]
    withdrawn: tuple[str, ...]
    issued: str
    next_update: str | None
    purpose: Literal["manifest", "time"] | None


def parse_entities(data: bytes, source: str) -> EntityList:
    """Read a list of trusted entities.

    Args:
        data: The whole file.
        source: Names the file in errors.

    Raises:
        UserError: It has another form, a certificate that is damaged, a status that is unknown, or
            trusts nobody.
    """
    try:
        content = _Document.model_validate_json(data).content
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        message = f"{source} is no list of trusted entities: {place}: {first['msg']}."
        raise UserError(f"{message} {_REMEDY}") from error
    services = [one.information for entity in content.entities for one in entity.services]
    trusted = [one for one in services if _is_trusted(one, source)]
    if not trusted:
        raise UserError(f"{source} trusts nobody. {_REMEDY}")
    found = [_certificate(b.val, s, source) for s in trusted for b in s.identity.certificates]
    due = content.scheme.next_update
    return EntityList(
        certificates=tuple(found),
        withdrawn=tuple(_name(one) for one in services if one not in trusted),
        issued=_iso(content.scheme.issued),
        next_update=None if due is None else _iso(due),
        purpose=_purpose(content.scheme),
    )


def _is_trusted(service: _Information, source: str) -> bool:
    word = service.status.removeprefix(_STATUS)
    if word not in ("trusted", "untrusted"):
        raise UserError(
            f"{source}: the status {service.status!a} of {_name(service)} is unknown. Nothing of"
            f" the list is taken, since that may mean anything. Update this program. {_REMEDY}"
        )
    return word == "trusted"


def _certificate(text: str, service: _Information, source: str) -> x509.Certificate:
    try:
        return parse_der(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error) as error:
        raise UserError(
            f"{source}: the certificate of {_name(service)} cannot be read ({error}). Get the"
            f" list again. {_REMEDY}"
        ) from error


def _name(service: _Information) -> str:
    return service.name[0].value


def _iso(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).isoformat(timespec="seconds")


def _purpose(scheme: _Scheme) -> Literal["manifest", "time"] | None:
    names = {one.value for one in scheme.name}
    if "C2PA TSA Trust List" in names:
        return "time"
    return "manifest" if "C2PA Trust List" in names else None
