"""The calibration study: how often the verdicts are wrong, measured where the truth is known."""
