"""A simulated fleet of terminals that speaks the wire's own protocol to a real collector, for sizing one."""
