"""Pictures in a CUDA device's memory: how they come in from a decoder, and how stages read them."""
