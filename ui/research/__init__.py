"""The research tab's parts: forms made from what the commands say of themselves, and a view of each kind of result."""
