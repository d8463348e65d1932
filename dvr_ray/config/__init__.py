"""Everything a run or a sweep may say: frozen models, read from YAML with line numbers."""
