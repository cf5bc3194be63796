"""Finds congestion from latency and loss, minute by minute, and says where it is. Pure: readings in, events out.

`baselines` learns each line, `layout`, `gathering` and `features` make site minutes of terminal minutes, `path` follows
changes of route, `site` judges one site, `place` says where, `outages` and `province` join the sites, `ledger`,
`events` and `listing` write down what was found, `detector` keeps it all in step with the clock.
"""
