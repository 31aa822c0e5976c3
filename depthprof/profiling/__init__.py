"""Looking inside, in iterations of their own: traces, parts of the network, clocks compared.

Nothing here touches a timed iteration: it runs in a worker process of its own, after the run.
"""
