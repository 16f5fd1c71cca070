"""What the platform must survive, done to it: servers are killed and hung under simulated chargers, which are asked
afterwards what was acknowledged to them. `./run faults`; results stand in docs/reliability.md."""
