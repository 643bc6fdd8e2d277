"""Pictures in host memory: how they come in from a decoder, and how stages read them."""
