"""The version of rnnkit, which a checkpoint carries."""

VERSION = "0.1.0"
