"""Programs that stand beside an export, copied as they are; they import nothing of rnnkit."""
