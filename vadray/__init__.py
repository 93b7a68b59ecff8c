"""vadray: finding what looks wrong in an archive of images and video, every night, on a cluster."""

__version__ = "0.1.0"
