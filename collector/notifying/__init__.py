"""From a change of an alert to a notification that has arrived: routing, the outbox, delivery."""
