"""What setup.py needs to turn proto/ncscope/v1 into Python modules."""
