// filled by the wire formats
