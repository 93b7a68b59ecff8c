"""Bytes to frames: images with OpenCV, video with PyAV. Nothing heavier is imported here."""
