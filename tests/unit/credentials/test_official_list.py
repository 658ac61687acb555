"""The C2PA's lists: fetched when asked, checked as a whole, and replaced in one step."""

import json

import pytest

from provenance.credentials import fetching, load_trust_anchors
from provenance.credentials.fetching import FetchError
from provenance.credentials.trust import lists, official
from provenance.errors import UserError


@pytest.fixture
def published(c2pa_data):
    """The official lists as they were once, by the end of their address."""
    folder = c2pa_data / "trust-list"
    return {name: (folder / url.rpartition("/")[2]).read_bytes() for name, url in URLS.items()}


URLS = official.URLS


def serving(published, **changes):
    """Stand in for the network; ``changes`` are made to the JSON of the manifest list."""
    asked = []

    def fetch(url):
        asked.append(url)
        (name,) = [name for name, known in URLS.items() if known == url] or ["c2pa"]
        document = json.loads(published[name])
        for change in changes.values():
            change(document["LoTE"])
        return json.dumps(document).encode()

    fetch.asked = asked
    return fetch


def drop(count):
    return lambda content: content["TrustedEntitiesList"].__delitem__(slice(0, count))


def issued(date):
    return lambda content: content["ListAndSchemeInformation"].update(ListIssueDateTime=date)


def test_the_addresses_are_those_of_the_conformance_programme():
    for url in URLS.values():
        assert url.startswith("https://raw.githubusercontent.com/c2pa-org/conformance-public/")
    assert set(URLS) == set(lists.OFFICIAL_NAMES)


def test_a_first_update_adds_all_roots(tmp_path, published, monkeypatch):
    monkeypatch.setenv("PROVENANCE_CONFIG_DIR", str(tmp_path))
    fetch = serving(published)
    first = official.update_list(tmp_path, "c2pa", fetch=fetch)
    second = official.update_list(tmp_path, "c2pa-time", fetch=fetch)
    assert fetch.asked == list(URLS.values())
    assert (first.is_new, len(first.added), first.removed, first.kept) == (True, 30, (), 0)
    assert len(second.added) == 22
    trust = load_trust_anchors(None)
    assert [(one.name, one.purpose) for one in trust.lists] == [
        ("c2pa", "manifest"), ("c2pa-time", "time"),
    ]  # fmt: skip
    assert trust.lists[0].date == "2026-08-05T00:11:39+00:00"
    assert trust.lists[0].source == URLS["c2pa"]


def test_an_update_says_what_changed(tmp_path, published):
    older = serving(published, a=drop(2), b=issued("2026-01-01T00:00:00Z"))
    official.update_list(tmp_path, "c2pa", fetch=older)
    before = lists.load_list(tmp_path, "c2pa")
    looked = official.update_list(tmp_path, "c2pa", dry_run=True, fetch=serving(published))
    assert lists.load_list(tmp_path, "c2pa") == before
    change = official.update_list(tmp_path, "c2pa", fetch=serving(published))
    assert change == looked
    assert not change.is_new
    assert change.former_date == "2026-01-01T00:00:00+00:00"
    assert len(change.added) + change.kept == 30
    assert any("Adobe" in subject for subject in change.added)
    newer = serving(published, a=drop(1), b=issued("2026-12-01T00:00:00Z"))
    change = official.update_list(tmp_path, "c2pa", fetch=newer)
    assert change.added == ()
    assert [subject for subject in change.removed if "Adobe" in subject]
    assert json.dumps(change.to_json())


def test_nothing_new_changes_nothing(tmp_path, published):
    official.update_list(tmp_path, "c2pa", fetch=serving(published))
    change = official.update_list(tmp_path, "c2pa", fetch=serving(published))
    assert (change.added, change.removed, change.kept) == ((), (), 30)


def test_an_older_list_is_refused(tmp_path, published):
    official.update_list(tmp_path, "c2pa", fetch=serving(published))
    older = serving(published, a=drop(5), b=issued("2026-01-01T00:00:00Z"))
    with pytest.raises(UserError, match=r"older than the one here.*trust remove c2pa"):
        official.update_list(tmp_path, "c2pa", fetch=older)
    assert len(lists.load_list(tmp_path, "c2pa").subjects) == 30


def spoil(content):
    identity = content["TrustedEntitiesList"][0]["TrustedEntityServices"][0]
    identity["ServiceInformation"]["ServiceDigitalIdentity"]["X509Certificates"][0]["val"] = "AAAA"


def as_time(content):
    content["ListAndSchemeInformation"]["SchemeName"][0]["value"] = "C2PA TSA Trust List"


def nameless(content):
    content["ListAndSchemeInformation"]["SchemeName"] = []


@pytest.mark.parametrize("change", [spoil, as_time, nameless])
def test_a_list_that_fails_a_check_leaves_the_present_one(tmp_path, published, change):
    official.update_list(tmp_path, "c2pa", fetch=serving(published))
    before = lists.load_list(tmp_path, "c2pa")
    with pytest.raises(UserError):
        official.update_list(tmp_path, "c2pa", fetch=serving(published, a=change))
    assert lists.load_list(tmp_path, "c2pa") == before


def test_a_file_of_pem_has_no_date_and_is_no_official_list(tmp_path, c2pa_data):
    pem = (c2pa_data / "trust-list" / "C2PA-TRUST-LIST.pem").read_bytes()
    with pytest.raises(UserError, match="Use the JSON form"):
        official.update_list(tmp_path, "c2pa", fetch=lambda _: pem)


def test_a_damaged_list_is_replaced_by_an_update(tmp_path, published):
    official.update_list(tmp_path, "c2pa", fetch=serving(published))
    (tmp_path / "trust" / "c2pa.pem").write_text("garbage")
    change = official.update_list(tmp_path, "c2pa", fetch=serving(published))
    assert (change.is_new, change.is_damaged, len(change.added)) == (False, True, 30)
    assert len(lists.load_list(tmp_path, "c2pa").subjects) == 30


def test_only_the_two_lists_can_be_updated(tmp_path):
    with pytest.raises(UserError, match="Did you mean 'c2pa-time'"):
        official.update_list(tmp_path, "c2pa-tme", fetch=lambda _: b"")


def test_a_list_comes_over_https_only():
    with pytest.raises(FetchError, match="over https only"):
        official.fetch_list("http://example.org/list.json")


def test_where_there_is_no_network_the_error_says_how_to_do_without(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("Name or service not known")

    monkeypatch.setattr(fetching.socket, "getaddrinfo", fail)
    with pytest.raises(FetchError, match=r"download the list .* provenance trust add"):
        official.update_list(tmp_path, "c2pa")
    assert lists.list_names(tmp_path) == []


def test_a_mirror_in_a_private_network_is_not_asked(tmp_path):
    with pytest.raises(FetchError, match="no address of the public internet"):
        official.update_list(tmp_path, "c2pa", url="https://127.0.0.1:8443/list.json")
