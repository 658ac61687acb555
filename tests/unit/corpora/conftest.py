"""A small corpus, made in this process by the fake generators."""

import sys

import fake_distribution
import pytest

from provenance.corpora import Request, generate, open_corpus
from provenance.plugins import registry


def make_corpus(site, config, source, out, *, resume=False, engine=None, jobs=1, **options):
    """Make a corpus with the fake generators alone."""
    asked = Request(**{"count": 48, "size_px": 16, "budget_s": 0.01, **options})
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.setenv("PROVENANCE_LOAD_PLUGINS", "photos,folder,fake-generators")
        patch.setenv("PROVENANCE_CONFIG_DIR", str(config))
        if not site.exists():
            fake_distribution.install(site, "fake-generators", source)
        registry.cache_clear()
        try:
            return generate(asked, out, device="cpu", jobs=jobs, resume=resume, engine=engine)
        finally:
            registry.cache_clear()
            sys.modules.pop("fake_generators", None)


@pytest.fixture(scope="session")
def make(tmp_path_factory, root):
    """Make corpora with options of :class:`Request`; returns folder and summary."""
    site, config = tmp_path_factory.mktemp("site") / "s", tmp_path_factory.mktemp("config")
    source = (root / "tests/unit/corpora/fake_generators.py").read_text()

    def run(**options):
        out = options.pop("out", None) or tmp_path_factory.mktemp("made") / "corpus"
        return out, make_corpus(site, config, source, out, **options)

    return run


@pytest.fixture(scope="session")
def corpus_folder(make):
    """A finished, signed corpus; never written to."""
    return make()[0]


@pytest.fixture
def corpus(corpus_folder):
    return open_corpus(corpus_folder)
