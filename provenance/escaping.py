"""Text from files and plugins, made safe to show."""


def printable(text: object) -> str:
    r"""Return text with control, direction and surrogate characters written out.

    A name may hold characters that turn the reading direction, erase a line or colour a terminal;
    shown as they are, they would make a page or a terminal lie about the name. Line breaks are
    written out, too.

    Example:
        >>> printable("gnp\u202e.exe")
        'gnp\\u202e.exe'
        >>> printable("a\x1b[2Jb")
        'a\\x1b[2Jb'
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode()
        for c in str(text)
    )
