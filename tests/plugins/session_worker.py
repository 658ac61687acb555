"""What a session does in another process. Beside the plugins, where any process can import it.

A module below ``tests`` cannot be imported where a distribution brings a package of that name.
"""


def sign_and_verify(session, data):
    """Return signed data, and the integrity of what came signed."""
    return session.sign(data), session.verify(data).integrity
