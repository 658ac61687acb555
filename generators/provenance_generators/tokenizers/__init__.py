"""Images as grids of codes, for the families that learn over codes. See README.md.

No plugin: there is no hook here, and importing it imports torch.
"""

from provenance_generators.tokenizers.model import Coded, Tokenizer
from provenance_generators.tokenizers.quantisers import FSQ, VQ, Quantised, Quantiser
from provenance_generators.tokenizers.settings import TokenizerSettings
from provenance_generators.tokenizers.train import TokenizerTrainer
from provenance_generators.tokenizers.usage import code_shares, code_usage

__all__ = [
    "FSQ",
    "VQ",
    "Coded",
    "Quantised",
    "Quantiser",
    "Tokenizer",
    "TokenizerSettings",
    "TokenizerTrainer",
    "code_shares",
    "code_usage",
]
