"""From a block of bytes to lines with time, severity and a key that survives digits."""
