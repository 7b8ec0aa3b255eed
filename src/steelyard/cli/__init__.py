"""The command line: one verb a task, results on stdout, progress on stderr, a stable exit code.

An edge: it may import every room, and no room imports it. Each verb loads what it needs when it is
called, so that help answers at once.
"""
