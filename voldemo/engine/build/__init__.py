"""The classic builder: a Dockerfile and a context in, an image out, one step after another."""
