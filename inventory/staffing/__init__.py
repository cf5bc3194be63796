"""The office's survey: staff by post group, and the line of each site."""
