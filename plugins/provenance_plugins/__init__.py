"""Built-in plugins, each a folder that reads on its own; they come in through entry points."""
