import Testing

@testable import Configuration

/// What is to be captured, as it is written.
struct CaptureOptionsTests {
  @Test(arguments: [
    ("100MB,5", 100_000_000, 5, "100MB,5"), ("1kB,1", 1000, 1, "1kB,1"), ("2GB,1000", 2_000_000_000, 1000, "2GB,1000"),
    ("1500,2", 1500, 2, "1500,2"), ("1000000,2", 1_000_000, 2, "1MB,2"),
  ])
  func `a rotation is a size and a number of files`(text: String, bytes: Int, files: Int, description: String) throws {
    let rotation = try CaptureRotation(text, "capture-rotate")
    #expect(rotation == CaptureRotation(byteCount: bytes, fileCount: files))
    #expect(rotation.description == description)
  }

  @Test(arguments: [
    "", "100MB", "100MB,", ",5", "100MB,0", "100MB,1001", "0MB,5", "999,5", "-1MB,5", "100TB,5", "100MB,5,6", "1.5MB,5",
    "99999999999999999999,1", "9223372036854775807GB,1",
  ])
  func `what is no rotation is told how to write one`(text: String) {
    let error = #expect(throws: ConfigurationError.self) { try CaptureRotation(text, "capture-rotate") }
    #expect(
      error?.description
        == "capture-rotate: '\(text)' is not SIZE,COUNT, as 100MB,5: from 1kB on, and 1 to 1000 files")
  }

  @Test func `a snap length is from an Ethernet header to the most that is read`() throws {
    #expect(try CaptureOptions.snapLength("14", "capture-snaplen") == 14)
    #expect(try CaptureOptions.snapLength("262144", "capture-snaplen") == 262_144)
    for text in ["13", "262145", "", "x", "-1"] {
      let error = #expect(throws: ConfigurationError.self) { try CaptureOptions.snapLength(text, "capture-snaplen") }
      #expect(error?.description == "capture-snaplen: '\(text)' is out of range; give 14 to 262144 bytes")
    }
  }

  @Test func `options that mean nothing without a file, or for the standard output, are refused`() throws {
    var options = CaptureOptions()
    try options.check()
    options.filter = "tcp"
    #expect(throws: ConfigurationError("capture-filter", "nothing is captured; give --capture FILE")) {
      try options.check()
    }
    options.file = "-"
    try options.check()
    options.rotation = CaptureRotation(byteCount: 1000, fileCount: 2)
    #expect(throws: ConfigurationError("capture-rotate", "the standard output is no file that could be put aside")) {
      try options.check()
    }
    options.file = ""
    #expect(throws: ConfigurationError.self) { try options.check() }
    // The host's side has a file of its own, of which the bounds hold, too.
    options = CaptureOptions()
    options.hostFile = "host.pcap"
    options.snapLength = 100
    try options.check()
    #expect(options.ofHost?.file == "host.pcap")
    #expect(options.ofHost?.snapLength == 100)
    options.splitsSegments = true
    #expect(throws: ConfigurationError("capture-segments", "nothing is captured; give --capture FILE")) {
      try options.check()
    }
    options.file = "host.pcap"
    #expect(throws: ConfigurationError.self) { try options.check() }
    (options.file, options.hostFile) = (nil, "-")
    #expect(throws: ConfigurationError.self) { try options.check() }
  }

  @Test(arguments: [
    ("a.pcap", "a-lan.pcap"), ("a", "a-lan"), ("/x.y/a", "/x.y/a-lan"), ("/x.y/.a", "/x.y/.a-lan"),
    ("b/a.b.pcap", "b/a.b-lan.pcap"),
  ])
  func `each of several networks has a file of its own`(file: String, named: String) throws {
    var options = CaptureOptions()
    options.file = file
    #expect(try options.named(for: "lan").file == named)
    options.hostFile = file
    #expect(try options.named(for: "lan").hostFile == named)
    options.file = "-"
    #expect(throws: ConfigurationError.self) { try options.named(for: "lan") }
  }
}
