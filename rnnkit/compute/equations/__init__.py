"""The equations of a cell as a graph, its derivative, and the programs that are written from it."""
