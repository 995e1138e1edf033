"""Subjects that answer from elsewhere: the wire, a process, answers in files, skeletons of new subjects."""
