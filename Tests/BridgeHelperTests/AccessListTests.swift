import Testing

@testable import BridgeHelper

@Suite struct AccessListTests {
  /// What there is instead of files; what is named with nothing may not be read.
  private func list(_ files: [String: String?], paths: [String] = ["/q", "/c"]) throws(HelperError) -> AccessList {
    try AccessList(paths: paths) { path throws(HelperError) in
      guard let file = files[path] else { return .missing }
      return file.map { .contents(Array($0.utf8)) } ?? .forbidden
    }
  }

  /// "allow 2 /q", "deny 1 /c" or "-".
  private func verdict(on bridge: String, in files: [String: String?]) throws -> String {
    switch try list(files).verdict(on: bridge) {
    case .allowed(let line): "allow \(line.number) \(line.file)"
    case .denied(let line): "deny \(line.number) \(line.file)"
    case .unmentioned: "-"
    }
  }

  @Test(arguments: [
    ("allow br0", "br0", "allow 1 /q"),
    ("allow br0", "br1", "-"),
    ("allow br0", "br", "-"),
    ("allow br0", "br00", "-"),
    ("", "br0", "-"),
    ("allow all", "br7", "allow 1 /q"),
    ("deny br0\nallow all", "br0", "deny 1 /q"),
    ("deny br0\nallow all", "br1", "allow 2 /q"),
    ("allow br0\ndeny br0", "br0", "deny 2 /q"),
    ("allow br0\ndeny all", "br0", "deny 2 /q"),
    ("allow br0\nallow all", "br0", "allow 1 /q"),
    ("allow all\nallow br0", "br0", "allow 1 /q"),
    ("# allow br0\n\n \t \n\t allow \t br0 \t\r\n", "br0", "allow 4 /q"),
    ("allow\tbr0", "br0", "allow 1 /q"),
    ("allow ALL", "br0", "-"),
    ("allow br0\u{301}", "br0", "-"),
    ("allow e\u{301}", "\u{e9}", "-"),
  ])
  func `a denial goes before whatever allows, and what no line allows is denied`(
    file: String, bridge: String, expected: String
  ) throws {
    #expect(try verdict(on: bridge, in: ["/q": file]) == expected)
  }

  @Test func `a denial in one file goes before what the other allows, either way round`() throws {
    #expect(try verdict(on: "br0", in: ["/q": "allow br0", "/c": "deny br0"]) == "deny 1 /c")
    #expect(try verdict(on: "br0", in: ["/q": "deny all", "/c": "allow br0"]) == "deny 1 /q")
    #expect(try verdict(on: "br0", in: ["/c": "allow br0"]) == "allow 1 /c")
    #expect(try verdict(on: "br0", in: [:]) == "-")
  }

  @Test func `included lines count as if they stood there, and say where they stand`() throws {
    let files = ["/q": "include /a\nallow br0", "/a": "#\ninclude /b\ndeny br1", "/b": "allow br1\nallow br2"]
    #expect(try verdict(on: "br0", in: files) == "allow 2 /q")
    #expect(try verdict(on: "br1", in: files) == "deny 3 /a")
    #expect(try verdict(on: "br2", in: files) == "allow 2 /b")
    #expect(try list(files).files == ["/q", "/a", "/b"])
  }

  @Test func `an included file that is missing, or not for this user, has no lines`() throws {
    let files = ["/q": "include /group\ninclude /nowhere\nallow br0", "/group": nil]
    #expect(try verdict(on: "br0", in: files) == "allow 3 /q")
  }

  @Test(arguments: [
    ("allow", "line 1 of /q ('allow') is wrong: behind 'allow' stands one bridge's name, or 'all'"),
    ("\ndeny  ", "line 2 of /q ('deny') is wrong"),
    ("deny br0 br1", "line 1 of /q ('deny br0 br1') is wrong"),
    ("allow br0 # mine", "line 1 of /q ('allow br0 # mine') is wrong"),
    ("allow 0123456789abcdef", "is wrong: behind 'allow'"),
    ("allow a/b", "is wrong: behind 'allow'"),
    ("permit br0", "line 1 of /q ('permit br0') is wrong: a line begins with"),
    ("allow,br0", "is wrong: a line begins with"),
    ("include more.conf", "is wrong: behind 'include' stands a path that begins with '/'"),
    ("include", "is wrong: behind 'include'"),
    ("allow br0\u{1}", "line 1 of /q has bytes that are no text"),
    ("include /a", "line 1 of /a ('nonsense') is wrong"),
  ])
  func `a line that is wrong is told with its number, and nobody gets in meanwhile`(file: String, words: String) {
    let error = #expect(throws: HelperError.self) { try list(["/q": "allow all\n" + file, "/a": "nonsense"]) }
    // Behind a first line that allows.
    let shifted = words.replacing("line 2 of /q", with: "line 3 of /q").replacing("line 1 of /q", with: "line 2 of /q")
    #expect(error?.description.contains(shifted) == true, "\(error?.description ?? "")")
    #expect(error?.status == 1)
  }

  @Test func `bytes that are no UTF-8 are no text`() {
    let error = #expect(throws: HelperError.self) {
      try AccessList(paths: ["/q"]) { _ in .contents(Array("allow b".utf8) + [0xff]) }
    }
    #expect(error?.description == "line 1 of /q has bytes that are no text")
  }

  @Test func `a file that this user may not read might deny, and so does`() {
    let error = #expect(throws: HelperError.self) { try list(["/q": nil, "/c": "allow br0"]) }
    #expect(error?.description == "/q may not be read: it might deny what is asked for")
  }

  @Test func `files that include each other end, and so do too many files and rules`() {
    let loop = #expect(throws: HelperError.self) { try list(["/q": "include /a", "/a": "include /q"]) }
    #expect(loop?.description == "line 1 of /q ('include /a') includes deeper than 8 files")
    let crowd = #expect(throws: HelperError.self) {
      try list(["/q": String(repeating: "include /a\n", count: 64), "/a": ""])
    }
    #expect(crowd?.description == "access lists have over 64 files")
    let rules = #expect(throws: HelperError.self) { try list(["/q": String(repeating: "allow br0\n", count: 4097)]) }
    #expect(rules?.description == "line 4097 of /q ('allow br0') is one rule too many")
  }

  @Test func `who is refused is told which line decided, or what is to be done`() throws {
    func refusal(_ files: [String: String?]) throws -> String? {
      let list = try list(files)
      let error = #expect(throws: HelperError.self) { try list.check("br0", lookedFor: ["/q", "/c"]) }
      return error?.description
    }
    #expect(
      try refusal(["/q": "allow all\n  deny br0 "]) == "the bridge 'br0' is denied by line 2 of /q ('deny br0')")
    #expect(
      try refusal(["/q": "", "/c": "allow br1"])
        == "no line of /q, /c allows the bridge 'br0'; root allows it by a line 'allow br0'")
    #expect(
      try refusal([:])
        == "nobody may use the bridge 'br0', for there is no /q and no /c; root allows it by a line 'allow br0' in one of "
        + "them")
    try list(["/q": "allow br0"]).check("br0", lookedFor: ["/q"])
  }
}
