// The first file of WireTests.
