"""Recurrent cells by their equations, for rnnkit; a file each, found through entry points."""
