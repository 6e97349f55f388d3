"""Processes: who one is, its tree, its marks, and how a helper of ours is started."""
