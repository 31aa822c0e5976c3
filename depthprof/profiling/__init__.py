"""Below the stage, after the run and in a process of its own: traces, parts, clocks compared."""
