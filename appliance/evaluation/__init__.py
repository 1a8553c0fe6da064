"""What measures the rest: error rates on labelled pictures, and the calibration from them."""
