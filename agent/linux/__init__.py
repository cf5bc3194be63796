"""What only Linux is asked, each module behind the door of `agent.host`."""
