"""The domain, for programs. Who may read or do what is decided in the rooms behind; here it is unpacked and packed."""
