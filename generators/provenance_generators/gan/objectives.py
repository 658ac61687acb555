"""What critic and generator strive for: one class an objective, each from its paper.

Scores are float (N, 1), higher = more real. Real and generated scores are compared as drawn, pair
by pair where the objective says so. The penalty on the critic's slope is apart from that:
:mod:`.penalties` measures squared slopes where the objective asks for it, and the objective says
what they cost.
"""

import abc
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

Points = Literal["none", "real", "both", "between"]
"""Images at which the critic's slope is penalised: real ones, real and generated ones, or points on
straight lines between the two."""


class Objective(abc.ABC):
    """What all objectives share; the class attributes are the settings that go with one.

    Attributes:
        penalised: Where the slope is penalised.
        penalty: Weight of that.
        critic_steps: Steps of the critic for one of the generator.
        critic: Kind of critic that it is made for.
        critic_norm: Normalisation of the critic's weights.
        learning_rate: Of both, at 32 px and batches of 16 to 32.
        betas: Of Adam.
        is_relative: Whether the generator's loss looks at the scores of real images.
    """

    penalised: ClassVar[Points] = "none"
    penalty: ClassVar[float] = 0.0
    critic_steps: ClassVar[int] = 1
    critic: ClassVar[str] = "plain"
    critic_norm: ClassVar[str] = "none"
    learning_rate: ClassVar[float] = 4e-4
    betas: ClassVar[tuple[float, float]] = (0.0, 0.99)
    is_relative: ClassVar[bool] = False

    @abc.abstractmethod
    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return what the critic minimises, a scalar."""

    @abc.abstractmethod
    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return what the generator minimises, a scalar."""

    def slope_cost(self, squares: Tensor) -> Tensor:
        """Return the cost, to be weighted by ``penalty``, of squared slopes (M,)."""
        return squares.mean() / 2

    def follow(self, real: Tensor, fake: Tensor) -> Mapping[str, Tensor]:
        """Take note of a critic step's scores; return numbers of its own for the log."""
        del real, fake
        return {}

    def agree(self, everywhere: Callable[[float], float]) -> None:
        """Take over the first process's state; most objectives have none."""
        del everywhere

    def state_dict(self) -> dict[str, Any]:
        """Return what changes in training, for checkpoints."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned; nothing, where there is no state."""
        del state


class Relativistic(Objective):
    """Each real image should outscore its generated one, by a critic that is flat around both.

    R3GAN: Huang et al. 2024 (arXiv 2501.05441), section 2. The pairing (Jolicoeur-Martineau 2018,
    1807.00734) leaves no point at which the generator wins by dropping modes, and zero-centred
    penalties on real (R1) *and* generated images (R2) make the training converge.
    """

    penalised = "both"
    penalty = 0.1
    learning_rate = 7e-4
    is_relative = True

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the mean of ``-log sigmoid(real - fake)``."""
        return softplus(fake - real).mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the mean of ``-log sigmoid(fake - real)``."""
        return softplus(real - fake).mean()

    def slope_cost(self, squares: Tensor) -> Tensor:
        """Return half the mean at real images plus half the mean at as many generated ones."""
        return squares.mean()


class NonSaturating(Objective):
    """The critic tells real from generated; the generator raises its log-odds of being real.

    Goodfellow et al. 2014 (arXiv 1406.2661), section 3, with the loss for the generator that does
    not saturate; R1 on real images is Mescheder et al. 2018 (1801.04406), and off at penalty 0.
    """

    penalised = "real"
    penalty = 0.2

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the mean of ``-log sigmoid(real)`` plus that of ``-log(1 - sigmoid(fake))``."""
        return softplus(-real).mean() + softplus(fake).mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the mean of ``-log sigmoid(fake)``."""
        del real
        return softplus(-fake).mean()


class WassersteinGP(Objective):
    """The critic measures how far apart the two are, with a slope near 1 between them.

    Gulrajani et al. 2017 (arXiv 1704.00028), algorithm 1; three critic steps instead of five, which
    is what short runs can afford.
    """

    penalised = "between"
    penalty = 10.0
    critic_steps = 3
    betas = (0.0, 0.9)

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return how much higher generated images score, which is negative and should be more."""
        return fake.mean() - real.mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the negative mean score."""
        del real
        return -fake.mean()

    def slope_cost(self, squares: Tensor) -> Tensor:
        """Return the mean squared distance of slopes from 1."""
        # a root has no slope at zero, where a critic that is dead would start
        return ((squares + 1e-12).sqrt() - 1).square().mean()


class BoundaryEquilibrium(Objective):
    """The critic is an auto-encoder, and its scores are negative errors.

    Berthelot et al. 2017 (arXiv 1703.10717), section 3.4. A control ``k`` keeps the errors of
    generated images at a part ``diversity`` of those of real ones, so that neither side wins;
    ``convergence`` (section 3.4.1) falls as both errors do.

    Attributes:
        control: k, float (), 0..1.
    """

    critic = "autoencoder"
    learning_rate = 4e-4
    betas = (0.5, 0.999)
    diversity: ClassVar[float] = 0.7
    gain: ClassVar[float] = 5e-3
    """Of the control; five times the paper's, since runs here are short."""

    def __init__(self) -> None:
        self.control = torch.zeros(())

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the error on real images less ``k`` times that on generated ones."""
        return self.control.to(fake.device) * fake.mean() - real.mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the error on generated images."""
        del real
        return -fake.mean()

    def follow(self, real: Tensor, fake: Tensor) -> Mapping[str, Tensor]:
        """Move the control towards equilibrium; return it and the measure of convergence."""
        error = -real.detach().mean()
        imbalance = self.diversity * error + fake.detach().mean()
        self.control = (self.control.to(error.device) + self.gain * imbalance).clamp(0, 1)
        return {"control": self.control, "convergence": error + imbalance.abs()}

    def agree(self, everywhere: Callable[[float], float]) -> None:
        """Take over the first process's control."""
        self.control = torch.tensor(everywhere(float(self.control)))

    def state_dict(self) -> dict[str, Any]:
        """Return the control."""
        return {"control": self.control}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the control."""
        self.control = state["control"]


class Hinge(Objective):
    """The critic stops caring about what it tells by a margin of 1.

    Lim & Ye 2017 (arXiv 1705.02894), with spectral normalisation (Miyato et al. 2018, 1802.05957)
    in place of a penalty.
    """

    critic_norm = "spectral"

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the mean shortfall of real scores from 1 plus that of generated ones from -1."""
        return relu(1 - real).mean() + relu(1 + fake).mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the negative mean score."""
        del real
        return -fake.mean()


OBJECTIVES: Mapping[str, type[Objective]] = {
    "relativistic": Relativistic,
    "non-saturating": NonSaturating,
    "wgan-gp": WassersteinGP,
    "began": BoundaryEquilibrium,
    "hinge": Hinge,
}
"""Every objective by the name that the setting ``objective`` has."""
