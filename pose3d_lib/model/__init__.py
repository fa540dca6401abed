"""The lifter, and a trained one: file, card, prediction, evaluation."""
