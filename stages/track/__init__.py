"""Faces through time: association, motion between looks, quality and best shots."""
