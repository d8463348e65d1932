"""Tables, and one self-contained HTML page, from stored results only; nothing is trained."""
