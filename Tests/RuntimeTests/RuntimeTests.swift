// The first file of RuntimeTests.
