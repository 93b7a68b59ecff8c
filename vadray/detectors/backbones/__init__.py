"""Pre-trained networks whose features the detectors use. Nothing here is ever downloaded."""
