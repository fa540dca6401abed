"""Videos: frames of a file or a camera, and detectors that find 2D keypoints in them."""
