"""What sets the pages: the template and the program that runs it in a process of its own."""
