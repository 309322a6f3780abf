"""The controller of transcoding: what it promises, its tasks, and how they are done with ffmpeg."""
