"""The adversarial term: who learns from whom."""

import torch

from provenance.training import Adversary, Precision, ResidualBlock


def adversary():
    torch.manual_seed(0)
    return Adversary(Precision("cpu"), width=8)


def noise(seed, scale):
    return scale * torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def test_the_critic_learns_to_tell_real_from_made():
    critic = adversary()
    losses = [critic.learn(noise(step, 0.6), noise(-step - 1, 0.1)).item() for step in range(60)]
    assert losses[-1] < 0.7 * losses[0]
    with torch.no_grad():
        assert critic.fooled(noise(500, 0.1)) + 0.5 < critic.fooled(noise(501, 0.6))


def test_fooling_moves_what_was_made_and_not_the_critic():
    critic, made = adversary(), noise(1, 0.5).requires_grad_()
    critic.fooled(made).backward()
    assert made.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in critic.critic.parameters())


def test_learning_moves_the_critic_and_not_what_was_made():
    critic, made = adversary(), noise(1, 0.5).requires_grad_()
    critic.fooled(made)  # freezes the critic, as each step does
    before = [weight.detach().clone() for weight in critic.critic.parameters()]
    critic.learn(noise(2, 0.5), made)
    assert made.grad is None
    assert not all(map(torch.equal, before, critic.critic.parameters()))


def test_a_critic_shared_by_processes_learns_through_its_wrapper():
    passed = []

    class Workers:
        def wrap(self, network):
            return lambda images: passed.append(len(images)) or network(images)

    critic = adversary()
    critic.share(Workers())
    critic.learn(noise(1, 0.5), noise(2, 0.5))
    critic.fooled(noise(3, 0.5))
    assert passed == [16]  # one pass over both, and none for the gradients of others


def test_a_residual_block_adds_to_the_identity():
    block, images = ResidualBlock(8), torch.randn(2, 8, 4, 4)
    torch.nn.init.zeros_(block.conv2.weight)
    torch.nn.init.zeros_(block.conv2.bias)
    assert torch.equal(block(images), images)
