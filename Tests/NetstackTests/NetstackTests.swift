// The first file of NetstackTests.
