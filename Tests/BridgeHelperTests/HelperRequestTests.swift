import Testing

@testable import BridgeHelper

@Suite struct HelperRequestTests {
  @Test(arguments: [
    (["--use-vnet", "--fd=8", "--br=br0"], HelperRequest(bridge: "br0", socket: 8, usesHeader: true)),
    (["--br=bridge0", "--fd=31"], HelperRequest(bridge: "bridge0", socket: 31, usesHeader: false)),
    (["--br=br0", "--use-vnet", "--fd=8", "--br=br1"], HelperRequest(bridge: "br1", socket: 8, usesHeader: true)),
    (["--br=0123456789abcde", "--fd=3"], HelperRequest(bridge: "0123456789abcde", socket: 3, usesHeader: false)),
  ])
  func `what QEMU writes is read, and of an option that comes twice the last`(
    arguments: [String], expected: HelperRequest
  ) throws {
    let request = try HelperRequest(arguments)
    #expect(request == expected)
  }

  @Test(
    arguments: [
      ([], "--br=BRIDGE is missing"),
      (["--fd=8"], "--br=BRIDGE is missing"),
      (["--br=br0"], "--fd=NUMBER is missing"),
      (["--br=br0", "--fd="], "--fd= is no descriptor's number"),
      (["--br=br0", "--fd=-8"], "--fd=-8 is no descriptor's number"),
      (["--br=br0", "--fd=+8"], "--fd=+8 is no descriptor's number"),
      (["--br=br0", "--fd=8x"], "--fd=8x is no descriptor's number"),
      (["--br=br0", "--fd=4294967304"], "--fd=4294967304 is no descriptor's number"),
      (["--br=br0", "--fd=2"], "--fd=2 is a standard stream"),
      (["--br=", "--fd=8"], "'' cannot be an interface's name"),
      (["--br=0123456789abcdef", "--fd=8"], "'0123456789abcdef' cannot be"),
      (["--br=..", "--fd=8"], "'..' cannot be"),
      (["--br=a/b", "--fd=8"], "'a/b' cannot be"),
      (["--br=a b", "--fd=8"], "'a b' cannot be"),
      (["--br=a:1", "--fd=8"], "'a:1' cannot be"),
      (["--br", "br0", "--fd=8"], "'--br' is no option"),
      (["--use-vnet=1", "--br=br0", "--fd=8"], "'--use-vnet=1' is no option"),
      (["--br=br0", "--fd=8", ""], "'' is no option"),
    ] as [([String], String)])
  func `anything else is a wrong command line, told in one line with what is right`(arguments: [String], words: String)
  {
    let error = #expect(throws: HelperError.self) { try HelperRequest(arguments) }
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    #expect(error?.description.hasSuffix("usage: \(HelperRequest.usage)") == true)
    #expect(error?.status == 2)
  }
}
