"""What the machine is and does: environment, conditions, NVML, doctor, peak rates."""
