"""The parts of the file source: identity, reading, rotation, discovery, archives."""
