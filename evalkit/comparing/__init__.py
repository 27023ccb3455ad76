"""Records of both arms -> what differs, by how much, and how sure that is."""
