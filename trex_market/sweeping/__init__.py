"""Sweeps: a config run again and again with other values of some of its keys, times seeds.

planning    a config and a request to runs, each with a stable id
worker      one run in a process of its own, and what it came to
pools       where runs are performed: processes here, or a Ray cluster
results     what runs came to, kept beside each other; the table
searching   values chosen by Optuna instead of all of them
page        the report
sweep       all of it
"""
