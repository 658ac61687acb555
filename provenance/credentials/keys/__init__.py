"""Keys and certificates of signers: where they lie, how they are made, renewed and requested."""
