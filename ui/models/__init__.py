"""Qt models: state without widgets."""
