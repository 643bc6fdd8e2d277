"""Where face embeddings are searched: in memory, in an embedded Qdrant, or on a Qdrant server."""
