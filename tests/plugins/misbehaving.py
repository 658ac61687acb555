"""Plugins that each break one rule, by the name of the fault; and one that breaks none."""

GOOD = """
    import provenance

    @provenance.hookimpl
    def register_datasets(register):
        kinds = frozenset({{provenance.MediaKind.TEXT}})
        register(provenance.DatasetSpec("{name}", kinds, "good", "MIT"), lambda argument: None)
"""

# fault: (source, stage at which it must be caught, part of the error)
FAULTS = {
    "import-error": ("import a_module_that_nobody_has", "import", "a_module_that_nobody_has"),
    "syntax-error": ("def broken(:", "import", "SyntaxError"),
    "sys-exit": ("import sys; sys.exit(3)", "import", "SystemExit: 3"),
    "unknown-argument": (
        """
        import provenance

        @provenance.hookimpl
        def register_datasets(register, colour):
            pass
        """,
        "register",
        "colour",
    ),
    "misspelt-hook": (
        """
        import provenance

        @provenance.hookimpl
        def register_datsets(register):
            pass
        """,
        "register",
        "register_datsets",
    ),
    "raises-in-hook": (
        """
        import provenance

        @provenance.hookimpl
        def register_datasets(register):
            raise RuntimeError("no luck today")
        """,
        "hook",
        "no luck today",
    ),
    "exits-in-hook": (
        """
        import sys
        import provenance

        @provenance.hookimpl
        def register_generators(register):
            sys.exit(9)
        """,
        "hook",
        "SystemExit: 9",
    ),
    "half-registered": (
        """
        import provenance

        @provenance.hookimpl
        def register_datasets(register):
            kinds = frozenset({provenance.MediaKind.TEXT})
            register(provenance.DatasetSpec("half", kinds, "half", "MIT"), lambda argument: None)
            raise RuntimeError("and then it broke")
        """,
        "hook",
        "and then it broke",
    ),
    "taken-name": (
        """
        import provenance

        @provenance.hookimpl
        def register_datasets(register):
            kinds = frozenset({provenance.MediaKind.IMAGE})
            register(provenance.DatasetSpec("photos", kinds, "mine", "MIT"), lambda argument: None)
        """,
        "hook",
        "photos",
    ),
    "other-api": (
        """
        import provenance

        @provenance.hookimpl
        def register_datasets(register):
            kinds = frozenset({provenance.MediaKind.TEXT})
            spec = provenance.DatasetSpec("later", kinds, "later", "MIT", api_version=99)
            register(spec, lambda argument: None)
        """,
        "hook",
        "plugin API 99",
    ),
    "not-a-spec": (
        """
        import provenance

        @provenance.hookimpl
        def register_datasets(register):
            register("a string", None)
        """,
        "hook",
        "AttributeError",
    ),
}
