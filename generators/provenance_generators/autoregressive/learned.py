"""What training leaves: the artefact as one module, so that loading it is strict."""

from typing import Self

import torch
from torch import Tensor, nn

from provenance_generators.autoregressive.model import Prior
from provenance_generators.autoregressive.settings import Settings
from provenance_generators.tokenizers import Tokenizer


class Learned(nn.Module):
    """A trained tokenizer and transformer, and what was counted on the way.

    Attributes:
        usage: float32 (V,), share of each code among the tokens of what was trained on.
        class_shares: float32 (K,), share of each class; (1,) where there are none.

    Args:
        settings: That build both networks.
        tokenizer: Trained.
        prior: Trained.
        usage: (V,).
        class_counts: (K,), how many items each class had.
    """

    usage: Tensor
    class_shares: Tensor

    def __init__(
        self,
        settings: Settings,
        tokenizer: Tokenizer,
        prior: Prior,
        usage: Tensor,
        class_counts: Tensor,
    ) -> None:
        super().__init__()
        self.settings, self.tokenizer, self.prior = settings, tokenizer, prior
        self.register_buffer("usage", usage)
        self.register_buffer("class_shares", class_counts.float() / class_counts.sum())

    @classmethod
    def untrained(cls, settings: Settings) -> Self:
        """Build one whose weights are to be replaced."""
        tokenizer = settings.tokenizer.build()
        prior = settings.prior(tokenizer.quantiser.features())
        codes, classes = tokenizer.quantiser.codes, max(1, len(settings.classes))
        return cls(settings, tokenizer, prior, torch.zeros(codes), torch.ones(classes))
