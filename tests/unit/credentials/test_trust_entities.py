"""Lists of trusted entities, the JSON form of the C2PA's own lists, as an import takes them."""

import base64
import datetime
import json

import pytest
from cryptography.hazmat.primitives import serialization
from made_roots import DAY, importer, root

from provenance.credentials.trust import checking
from provenance.errors import ProvenanceError


@pytest.fixture
def add(tmp_path):
    return importer(tmp_path)


def entity_list(*services, **scheme):
    about = {"SchemeName": [{"lang": "en", "value": "Somebody's list"}]}
    about |= {"ListIssueDateTime": "2026-01-02T03:04:05Z"} | scheme
    entities = [{"TrustedEntityServices": [{"ServiceInformation": one} for one in services]}]
    document = {"ListAndSchemeInformation": about, "TrustedEntitiesList": entities}
    return json.dumps({"LoTE": document}).encode()


def service(certificate, status="trusted", name="Somebody"):
    der = certificate.public_bytes(serialization.Encoding.DER)
    return {
        "ServiceName": [{"lang": "en", "value": name}],
        "ServiceDigitalIdentity": {"X509Certificates": [{"val": base64.b64encode(der).decode()}]},
        "ServiceStatus": f"http://c2pa.org/conformance/trust-list/{status}",
    }


def test_a_list_of_entities_has_its_own_date_and_leaves_out_what_it_distrusts(tmp_path, add):
    data = entity_list(
        service(root()),
        service(root(name="Bad"), "untrusted", "Withdrawn CA"),
        NextUpdate="2026-02-03T04:05:06+01:00",
    )
    one = add(data)
    assert one.subjects == ("CN=Root",)
    assert one.date == "2026-01-02T03:04:05+00:00"
    assert one.next_update == "2026-02-03T03:05:06+00:00"
    then = datetime.datetime(2026, 2, 3, 4, tzinfo=datetime.UTC)
    assert "a newer list was due on 2026-02-03" in checking.stale(one.next_update, then)[0]
    assert checking.stale(one.next_update, then - DAY) == ()
    assert "Withdrawn CA" in checking.examine_file(tmp_path / "given", None).warnings[0]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{", "no list of trusted entities"),
        (b'{"LoTE": []}', "no list of trusted entities: LoTE"),
        (entity_list(), "trusts nobody"),
        (entity_list(service(root(), "untrusted")), "trusts nobody"),
        (entity_list(service(root(), "suspended")), "status .* is unknown"),
        (entity_list(service(root()), ListIssueDateTime="today"), "ListIssueDateTime"),
        (entity_list(service(root()), ListIssueDateTime="2026-01-02T03:04:05"), "timezone"),
        (entity_list(service(root()) | {"ServiceStatus": 1}), "ServiceStatus"),
        (
            entity_list(
                service(root()) | {"ServiceDigitalIdentity": {"X509Certificates": [{"val": "AA"}]}}
            ),
            "certificate of Somebody cannot be read",
        ),
        (entity_list(service(root(is_authority=False))), "is no authority"),
        (
            entity_list(service(root()), SchemeName=[{"value": "C2PA TSA Trust List"}]),
            "Import it with --kind time",
        ),
    ],
)
def test_a_list_of_entities_that_is_not_understood_is_refused(add, data, words):
    with pytest.raises(ProvenanceError, match=words):
        add(data)
