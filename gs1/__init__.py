"""GS1 identities, pure: EPC binary, tag URI, element strings, Digital Link."""
