"""How fast the gateway is: load generator, workloads, subjects, report. Run it with `./run bench`.

The generator is a process of its own (`bench.generate`), the servers under test are others (`bench.subjects`), and what
they acknowledged is looked for in their database by a third (`bench.witness`).
"""
