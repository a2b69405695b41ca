"""What figures mean: intervals, bounds, efficiency, capacity, comparison, ranking, fairness and the gate.

Pure functions of what was measured: no host is spoken to, no clock is read, and no file but a capacity's is touched.
"""
