"""Finds congestion from latency and loss, minute by minute, and says where it is. Pure: readings in, events out.

`baselines` learns each line, `features` makes site minutes of terminal minutes, `path` follows changes of route, `site`
judges one site, `place` says where, `province` joins the sites, `detector` keeps it all in step with the clock.
"""
