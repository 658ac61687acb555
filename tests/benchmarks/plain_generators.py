"""The plain recipes that the built-in generators are measured against, as their papers give them.

Each class learns from images float (N, 3, 32, 32), -1..1, until a budget of CPU time is spent, and
then samples. They know no classes, no averaging of weights, no correction of any kind; the code is
kept apart from the suite's, so that a mistake in ours does not hide in both.

Notation: N images, K codes, T = 64 tokens an image, V values.
"""

import math
import time

import torch
from torch import nn
from torch.nn import functional

SIDE_PX = 32
_TOKENS = 64  # 8 x 8 codes of 4 x 4 pixels


class CpuBudget:
    """Counts this process's CPU time against a budget.

    Args:
        budget_s: Seconds.
    """

    def __init__(self, budget_s):
        self._start, self._budget_s = time.process_time(), budget_s

    @property
    def fraction(self):
        """Part of the budget that is spent, from 0 to 1."""
        return min(1.0, (time.process_time() - self._start) / self._budget_s)


def batches(images, budget, batch):
    """Yield random batches, half of the images mirrored, until the budget is spent."""
    while budget.fraction < 1.0:
        chosen = images[torch.randint(len(images), (batch,))]
        mirrored = torch.rand(batch, 1, 1, 1) < 0.5
        yield torch.where(mirrored, chosen.flip(3), chosen).contiguous()


def schedule(optimizer, peak, fraction):
    """Warm up over 3 % of the budget, then follow a cosine to zero."""
    share = fraction / 0.03 if fraction < 0.03 else 0.5 * (1 + math.cos(math.pi * fraction))
    for group in optimizer.param_groups:
        group["lr"] = peak * max(share, 1e-3)


class DCGAN:
    """Radford 2015 (1511.06434), hinge loss (1705.02894) and spectral norm (1802.05957)."""

    latent_size, width, batch = 128, 32, 64

    def __init__(self):
        c = self.width
        self.generator = nn.Sequential(
            nn.ConvTranspose2d(self.latent_size, 8 * c, 4), nn.BatchNorm2d(8 * c), nn.ReLU(),
            nn.ConvTranspose2d(8 * c, 4 * c, 4, 2, 1), nn.BatchNorm2d(4 * c), nn.ReLU(),
            nn.ConvTranspose2d(4 * c, 2 * c, 4, 2, 1), nn.BatchNorm2d(2 * c), nn.ReLU(),
            nn.ConvTranspose2d(2 * c, 3, 4, 2, 1), nn.Tanh(),
        )  # fmt: skip
        normed = nn.utils.parametrizations.spectral_norm
        self.critic = nn.Sequential(
            normed(nn.Conv2d(3, c, 4, 2, 1)), nn.LeakyReLU(0.2),
            normed(nn.Conv2d(c, 2 * c, 4, 2, 1)), nn.LeakyReLU(0.2),
            normed(nn.Conv2d(2 * c, 4 * c, 4, 2, 1)), nn.LeakyReLU(0.2),
            nn.Flatten(), normed(nn.Linear(16 * 4 * c, 1)),
        )  # fmt: skip
        for layer in self.generator:  # as the paper begins
            if isinstance(layer, nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, 0.0, 0.02)
            elif isinstance(layer, nn.BatchNorm2d):
                nn.init.normal_(layer.weight, 1.0, 0.02)

    def fit(self, images, budget_s):
        """Train; the two networks step in turn."""
        players = [
            torch.optim.Adam(network.parameters(), 2e-4, betas=(0.5, 0.999))
            for network in (self.generator, self.critic)
        ]
        for real in batches(images, CpuBudget(budget_s), self.batch):
            fake = self.generator(self._latents(self.batch))
            loss = functional.relu(1 - self.critic(real)).mean()
            loss = loss + functional.relu(1 + self.critic(fake.detach())).mean()
            step(players[1], loss)
            step(players[0], -self.critic(fake).mean())

    def sample(self, n):
        """Return images (n, 3, 32, 32)."""
        self.generator.eval()
        return self.generator(self._latents(n))

    def _latents(self, n):
        return torch.randn(n, self.latent_size, 1, 1)


class GaussianVAE:
    """Kingma 2013 (1312.6114), sampled from its prior; decoder of optimal variance (2006.13202)."""

    latent_size, width, batch = 128, 32, 64

    def __init__(self):
        c = self.width
        self.encoder = nn.Sequential(
            nn.Conv2d(3, c, 4, 2, 1), nn.SiLU(),
            nn.Conv2d(c, 2 * c, 4, 2, 1), nn.SiLU(),
            nn.Conv2d(2 * c, 4 * c, 4, 2, 1), nn.SiLU(),
            nn.Flatten(), nn.Linear(16 * 4 * c, 2 * self.latent_size),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(self.latent_size, 16 * 4 * c), nn.SiLU(), nn.Unflatten(1, (4 * c, 4, 4)),
            nn.ConvTranspose2d(4 * c, 2 * c, 4, 2, 1), nn.SiLU(),
            nn.ConvTranspose2d(2 * c, c, 4, 2, 1), nn.SiLU(),
            nn.ConvTranspose2d(c, c, 4, 2, 1), nn.SiLU(),
            nn.Conv2d(c, 3, 3, padding=1),
        )  # fmt: skip

    def fit(self, images, budget_s):
        """Maximise the evidence bound."""
        parameters = [*self.encoder.parameters(), *self.decoder.parameters()]
        optimizer, budget = torch.optim.AdamW(parameters, 1.5e-3), CpuBudget(budget_s)
        for real in batches(images, budget, self.batch):
            schedule(optimizer, 1.5e-3, budget.fraction)
            mean, log_variance = self.encoder(real).chunk(2, dim=1)  # each (N, Z)
            latents = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
            error = functional.mse_loss(self.decoder(latents), real)
            divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean()
            values = real[0].numel()
            step(optimizer, 0.5 * values * error.log() + divergence)

    def sample(self, n):
        """Return images (n, 3, 32, 32)."""
        return self.decoder(torch.randn(n, self.latent_size)).clamp(-1, 1)


class VQVAE(nn.Module):
    """Van den Oord 2017 (1711.00937): squared error only, codebook by moving averages."""

    codes, dimensions, batch = 512, 64, 64

    def __init__(self):
        super().__init__()
        c = self.dimensions
        self.encoder = nn.Sequential(
            nn.Conv2d(3, c, 4, 2, 1), nn.ReLU(), nn.Conv2d(c, c, 4, 2, 1), nn.ReLU(),
            nn.Conv2d(c, c, 3, padding=1), nn.ReLU(), nn.Conv2d(c, c, 1),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Conv2d(c, c, 3, padding=1), nn.ReLU(), nn.Conv2d(c, c, 3, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(c, c, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(c, 3, 4, 2, 1),
        )  # fmt: skip
        self.register_buffer("book", torch.randn(self.codes, c))
        self.register_buffer("counts", torch.ones(self.codes))
        self.register_buffer("sums", self.book.clone())

    def fit(self, images, budget_s):
        """Train encoder, decoder and codebook; codes that nothing falls on are put elsewhere."""
        optimizer, budget = torch.optim.AdamW(self.parameters(), 1e-3), CpuBudget(budget_s)
        for real in batches(images, budget, self.batch):
            schedule(optimizer, 1e-3, budget.fraction)
            found = self.encoder(real)  # (N, C, 8, 8)
            rows = found.detach().permute(0, 2, 3, 1).flatten(0, 2)  # (N * T, C)
            tokens = self._nearest(rows)
            coded = self.book[tokens].view(len(real), 8, 8, -1).permute(0, 3, 1, 2)
            made = self.decoder(found + (coded - found).detach())
            loss = functional.mse_loss(made, real) + 0.25 * functional.mse_loss(found, coded)
            step(optimizer, loss)
            self._move(rows, tokens)

    @torch.no_grad()
    def tokenise(self, images):
        """Return tokens (N, T)."""
        parts = [
            self._nearest(self.encoder(part).permute(0, 2, 3, 1).flatten(0, 2))
            for part in images.split(256)
        ]
        return torch.cat(parts).view(len(images), _TOKENS)

    def decode(self, tokens):
        """Return images (N, 3, 32, 32)."""
        return self.decoder(self.book[tokens].view(-1, 8, 8, self.dimensions).permute(0, 3, 1, 2))

    def _nearest(self, rows):
        return torch.cdist(rows, self.book).argmin(1)

    @torch.no_grad()
    def _move(self, rows, tokens):
        hits = functional.one_hot(tokens, self.codes).float()  # (N * T, K)
        self.counts.lerp_(hits.sum(0), 0.02)
        self.sums.lerp_(hits.T @ rows, 0.02)
        dead = self.counts < 0.05
        self.sums[dead] = rows[torch.randint(len(rows), (int(dead.sum()),))]
        self.counts[dead] = 1.0
        self.book.copy_(self.sums / self.counts[:, None])


class TransformerPrior(nn.Module):
    """A causal transformer over tokens (1706.03762), trained and sampled by whole passes."""

    batch, width, layers, heads = 64, 128, 4, 4

    def __init__(self, codes):
        super().__init__()
        self.codes = codes
        self.embed = nn.Embedding(codes + 1, self.width)  # the last one begins an image
        self.place = nn.Parameter(0.02 * torch.randn(_TOKENS, self.width))
        block = nn.TransformerEncoderLayer(
            self.width, self.heads, 4 * self.width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, self.layers, enable_nested_tensor=False)
        self.head = nn.Linear(self.width, codes)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(_TOKENS))

    def forward(self, tokens):
        """Return logits (N, T, V) of each token, given those before it."""
        start, count = tokens.new_full((len(tokens), 1), self.codes), tokens.shape[1]
        x = self.embed(torch.cat([start, tokens[:, :-1]], dim=1)) + self.place[:count]
        return self.head(self.blocks(x, mask=self.mask[:count, :count], is_causal=True))


class GatedPixelCNN(nn.Module):
    """Masked convolutions over the 8 x 8 map of tokens (1606.05328), sampled by whole passes."""

    batch, width, layers = 64, 64, 5

    def __init__(self, codes):
        super().__init__()
        self.codes = codes
        self.embed = nn.Embedding(codes, self.width)
        self.first = MaskedConv(self.width, 2 * self.width, 5, sees_itself=False)
        self.rest = nn.ModuleList(
            MaskedConv(self.width, 2 * self.width, 3, sees_itself=True) for _ in range(self.layers)
        )
        self.head = nn.Conv2d(self.width, codes, 1)

    def forward(self, tokens):
        """Return logits (N, T, V) of each token, given those before it."""
        x = self.embed(tokens).unflatten(1, (-1, 8)).permute(0, 3, 1, 2)  # (N, C, rows, 8)
        x = gate(self.first(x))
        for layer in self.rest:
            x = x + gate(layer(x))
        return self.head(x).flatten(2).transpose(1, 2)


class MaskedConv(nn.Conv2d):
    """A convolution that sees what lies above and to the left, and perhaps its own place."""

    def __init__(self, channels_in, channels, kernel, *, sees_itself):
        super().__init__(channels_in, channels, kernel, padding=kernel // 2)
        mask = torch.ones(kernel, kernel)
        mask[kernel // 2, kernel // 2 + int(sees_itself) :] = 0
        mask[kernel // 2 + 1 :] = 0
        self.register_buffer("mask", mask)

    def forward(self, x):
        """Return maps of the input's size."""
        return functional.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


def gate(x):
    """Return half of the channels: tanh of one half, weighted by the sigmoid of the other."""
    signal, weight = x.chunk(2, dim=1)
    return signal.tanh() * weight.sigmoid()


class TokenModel:
    """A VQ-VAE (40 % of the budget) and a prior over its tokens, with no cache when sampling.

    Args:
        prior: Class of the prior.
    """

    def __init__(self, prior):
        self.tokenizer = VQVAE()
        self.prior = prior(self.tokenizer.codes)

    def fit(self, images, budget_s):
        """Train one after the other."""
        self.tokenizer.fit(images, 0.4 * budget_s)
        budget = CpuBudget(0.6 * budget_s)
        tokens = self.tokenizer.eval().tokenise(torch.cat([images, images.flip(3)]))  # (2N, T)
        parameters = self.prior.parameters()
        optimizer = torch.optim.AdamW(parameters, 2e-3, betas=(0.9, 0.95), weight_decay=0.05)
        while budget.fraction < 1.0:
            schedule(optimizer, 2e-3, budget.fraction)
            chosen = tokens[torch.randint(len(tokens), (self.prior.batch,))]
            loss = functional.cross_entropy(self.prior(chosen).flatten(0, 1), chosen.flatten())
            step(optimizer, loss, clip_norm=1.0)

    def sample(self, n):
        """Return images (n, 3, 32, 32); each token costs a pass over all."""
        self.prior.eval()
        tokens = torch.zeros(n, _TOKENS, dtype=torch.long)
        for place in range(_TOKENS):
            rows = tokens[:, : 8 * (place // 8 + 1)]  # what lies below is not looked at
            chances = self.prior(rows)[:, place].softmax(-1)  # (N, V)
            tokens[:, place] = torch.multinomial(chances, 1)[:, 0]
        return self.tokenizer.decode(tokens).clamp(-1, 1)


def step(optimizer, loss, clip_norm=None):
    """Take one step of an optimiser."""
    optimizer.zero_grad()
    loss.backward()
    if clip_norm is not None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(parameters, clip_norm)
    optimizer.step()


PLAIN = {
    "dcgan": DCGAN,
    "gaussian-vae": GaussianVAE,
    "vqvae-transformer": lambda: TokenModel(TransformerPrior),
    "vqvae-pixelcnn": lambda: TokenModel(GatedPixelCNN),
}
"""Name to what makes an untrained model."""
