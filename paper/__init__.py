"""The paper exchange: a venue on loopback that speaks the venues own wire, and the made market."""
