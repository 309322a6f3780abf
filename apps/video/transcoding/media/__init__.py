"""What is done with ffmpeg: inspect, plan, encode, package, take pictures, check."""
