"""What programs see of the domain. Names, units and words are those of shapes.py, without its texts for people."""
