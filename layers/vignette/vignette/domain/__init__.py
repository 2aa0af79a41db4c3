"""Users, uploads and pictures: the rules, whatever wire format asks."""
