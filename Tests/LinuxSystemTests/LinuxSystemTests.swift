// The first file of LinuxSystemTests.
