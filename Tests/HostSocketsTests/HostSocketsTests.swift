// The first file of HostSocketsTests.
