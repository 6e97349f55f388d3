"""Records and decisions: pure, without files, processes or a clock."""
