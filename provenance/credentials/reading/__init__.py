"""From a file to four axes, a sentence, and the tree of what it was made from."""
