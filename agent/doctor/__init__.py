"""What is wrong between this machine and its collector, and what to do about it: for the person at the terminal."""
