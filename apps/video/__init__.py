"""A video application: upload, transcode on workers, and watch."""
