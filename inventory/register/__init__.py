"""The office's register of equipment: reading files, judging rows, planning and describing an import."""
