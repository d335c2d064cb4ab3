// The first file of SystemTests.
