"""Pipelines cut at the stages: the published ones and the user's own."""
