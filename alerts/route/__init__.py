"""From alerts to people: who is told what, when, and why not; pure, with state and time as arguments."""
