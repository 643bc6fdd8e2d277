"""Heads that decode a detector's outputs on the CUDA device where the network left them."""
