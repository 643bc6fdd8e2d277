"""Faces covered in decoded pictures, whose size, depth and colours stay as they are, and the videos made of them."""
