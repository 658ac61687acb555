"""From words about a file to a manifest that is signed into it or laid beside it."""
