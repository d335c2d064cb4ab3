// The first file of BuffersTests.
