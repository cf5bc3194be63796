"""The agent as a service of Windows; on Linux systemd needs nothing of the agent's own."""
