// The first file of LinksTests.
