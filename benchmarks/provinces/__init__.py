"""A simulated province: terminals, queues, routers and trouble with known truth, as labelled congestion traces.

Access lines and the provincial core are workload queues fed by heavy-tailed random traffic; on top come office hours,
terminals switched off, Wi-Fi, boot and CPU spikes, route changes, outages, a slow service. The same seed gives the
same files.
"""
