"""How evenly a tokenizer uses its codes. Notation: N images, T tokens, V codes."""

import torch
from torch import Tensor


def code_shares(tokens: Tensor, codes: int) -> Tensor:
    """Return the share of each code among tokens (N, T): float32 (V,), summing to 1."""
    counts = torch.bincount(tokens.flatten(), minlength=codes)
    return counts.float() / max(1, tokens.numel())


def code_usage(shares: Tensor) -> dict[str, Tensor]:
    """Return two figures of code shares (V,).

    Returns:
        ``codes_used``, the share of the codes that occur (0..1), and ``code_perplexity``, how many
        equally frequent codes would be as hard to guess (1..V).
    """
    entropy = -torch.special.xlogy(shares, shares).sum()
    return {"codes_used": (shares > 0).float().mean(), "code_perplexity": entropy.exp()}
