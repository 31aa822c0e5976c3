"""Commands of the project itself: set-up, checks, the figures it must reach, the GPU acceptance."""
