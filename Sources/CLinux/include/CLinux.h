// C accessors for what Swift cannot import from the system headers.
