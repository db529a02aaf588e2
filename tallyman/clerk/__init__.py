"""What a person at a terminal asks of the backend: one file of commands for each capability.

A command is a pure function of what was typed; it answers with an `Ask` (ask.py), which names a route of the public API
and what it takes. counter.py asks that route within this process, on the database, so that a word at a terminal is
checked, done once, and written down exactly as the same word over HTTP; table.py shows the answer.
"""
