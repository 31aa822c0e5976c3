"""The command line: a door. Nothing here measures, judges or formats a figure."""
