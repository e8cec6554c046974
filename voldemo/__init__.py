"""voldemo: Docker volumes and storage, learned by experiment."""
