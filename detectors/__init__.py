"""Online detectors on River, numpy and scipy: pure, without I/O, clock or logging."""
