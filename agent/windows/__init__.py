"""What only Windows is asked, each module behind the door of `agent.host`."""
