"""What will work on a machine, and what to change. Nothing of Ray in here: `vadray.sweep.doctor` asks every node."""
