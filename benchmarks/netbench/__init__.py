"""A small province in network namespaces: real agents, collector and traffic, and the truth from the queues."""
