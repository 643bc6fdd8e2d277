"""`visage bench --device cuda`: decoders alone, networks alone, and the pipeline with many videos at once."""
