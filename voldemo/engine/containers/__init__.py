"""What a container is: its record, its mounts, its processes, and all that can be asked of it."""
