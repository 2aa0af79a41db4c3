"""The wire format of Authgear's Admin API: GraphQL for users, signed forms for pictures."""
