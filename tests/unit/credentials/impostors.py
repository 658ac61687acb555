"""Files whose every text is an attack, signed by certificates that bear any name.

Signs through the library itself, since our own layer refuses much of what an attacker would write.
"""

import io

import c2pa
from cryptography import x509
from cryptography.x509.oid import NameOID
from signing_keys import PEM, Authority, certify, make_key

from provenance.credentials import source_type_uri
from provenance.credentials.engine import context
from provenance.credentials.keys.algorithms import key_pem

MARK = "Zq7"  # stands in every attack, so that a test can tell whether it was shown at all
LONG = MARK + "A" * 3000
ATTACKS = {
    "adobe": f"Adobe Inc. {MARK}",
    "verdict": f"{MARK} integrity ok, signer trusted: Unchanged, says Adobe Inc.",
    "clear": f"\x1b[2J\x1b[H{MARK}",
    "colour": f"\x1b[32m{MARK} trusted\x1b[0m",
    "title": f"\x1b]0;{MARK}\x07",
    "hyperlink": f"\x1b]8;;http://example.org/\x1b\\{MARK}\x1b]8;;\x1b\\",
    "device-string": f'\x1bP$q"p\x1b\\{MARK}',
    "eight-bit-csi": f"\x9b2J{MARK}",
    "eight-bit-osc": f"\x9d0;{MARK}\x9c",
    "newline": f"{MARK}\nintegrity ok  signer trusted",
    "return": f"bad{MARK}\rgood",
    "form-feed": f"{MARK}\x0b\x0c\x85next",
    "backspace": f"bad{MARK}\x08\x08\x08good",
    "bell-and-null": f"{MARK}\x07\x00\x7f",
    "tab": f"{MARK}\t\t\ttrusted",
    "right-to-left": f"\u202e{MARK}\u202c gnp.exe",
    "isolate": f"\u2067{MARK}\u2069",
    "zero-width": f"A\u200bd\u200co\u200db\ufeffe {MARK}",
    "separators": f"{MARK}\u2028\u2029end",
    "tags": f"{MARK}\U000e0041\U000e0042",
    "soft-hyphen": f"{MARK}\u00ad\u034f",
    "script": f"<script>alert('{MARK}')</script>",
    "image": f"<img src=x onerror=alert('{MARK}')>",
    "attribute": f'" onmouseover="alert(\'{MARK}\')" x="',
    "apostrophe": f"' autofocus onfocus='alert(\"{MARK}\")",
    "close-tags": f"</td></table></title></style></script><h1>{MARK}</h1><!--",
    "svg": f"<svg onload=alert('{MARK}')><style>*{{display:none}}",
    "javascript": f"javascript:alert('{MARK}')",
    "template": f"{MARK} {{{{ 7*7 }}}} {{% include 'x' %}} ${{7*7}}",
    "markup": f"[link=http://example.org][red]{MARK}[/red][/nothing] :smile:",
    "formula": f'=HYPERLINK("http://example.org","{MARK}")',
    "format": f"%s%n%d {{0}} {{title}} \\x1b[2J \\u202e {MARK}",
    "combining": f"{MARK}" + "Z\u0310\u0335" * 60,
    "json": f'","signer":"trusted","{MARK}":"',
    "long": LONG,
}


def certificates(organisation: str, common_name: str):
    """Return (key PEM, chain PEM, root PEM): a leaf of those names below a root of those names."""
    name = x509.Name(
        [
            # the limit of 64 characters binds honest people only
            x509.NameAttribute(kind, value or " ", _validate=False)
            for kind, value in (
                (NameOID.ORGANIZATION_NAME, organisation),
                (NameOID.COMMON_NAME, common_name),
            )
        ]
    )
    root, key = Authority.make(name=name), make_key("es256")
    leaf = certify(key.public_key(), root, name=name)
    return key_pem(key), leaf.public_bytes(PEM) + root.pem, root.pem


def hostile_manifest(attack: str) -> dict:
    """Return a manifest with ``attack`` in every place that takes text."""
    created = {
        "action": "c2pa.created",
        "digitalSourceType": source_type_uri("digitalCapture"),
        "softwareAgent": {"name": attack, "version": attack},
        "description": attack,
        "reason": attack,
        "parameters": {"com.example.words": attack},
    }
    label = "".join("-" if character in "/=\0" else character for character in attack)
    own = {"action": f"com.example.x{attack}", "description": attack}
    # "x": the library dies of a label whose last part begins beyond ASCII; another test is of that
    return {
        "title": attack,
        "claim_generator_info": [{"name": attack, "version": attack, "specVersion": "2.4"}],
        "assertions": [
            {"label": "c2pa.actions.v2", "created": True, "data": {"actions": [created, own]}},
            {"label": f"com.example.x{label}", "data": {"words": attack, attack: [attack]}},
            {"label": "c2pa.ai-disclosure", "data": {"modelType": attack, "modelName": attack}},
        ],
    }


def hostile_component(attack: str) -> dict:
    return {"title": attack, "relationship": "componentOf", "label": "c", "description": attack}


def sign(
    data: bytes,
    media_type: str,
    manifest: dict,
    key: bytes,
    chain: bytes,
    *,
    components: tuple[tuple[dict, bytes], ...] = (),
) -> bytes:
    """Return ``data`` with ``manifest`` signed into it by any key, and files taken along."""
    info = c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, chain, key, None)
    with c2pa.Signer.from_info(info) as signer, c2pa.Builder(manifest, context()) as builder:
        for definition, content in components:
            builder.add_ingredient(definition, media_type, io.BytesIO(content))
        out = io.BytesIO()
        builder.sign(signer, media_type, io.BytesIO(data), out)
    return out.getvalue()
