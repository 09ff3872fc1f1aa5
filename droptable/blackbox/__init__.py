"""The black box: what the core was told, in order, kept in a ring on disk, and played again."""
