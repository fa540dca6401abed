"""Training: config, formula (1), windows, losses, loop, checkpoint."""
