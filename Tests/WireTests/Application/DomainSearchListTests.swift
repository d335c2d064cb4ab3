import Testing
import Wire

@Suite struct DomainSearchListTests {
  @Test(arguments: [
    ([], ""),
    (["a.test"], "01610474657374 00"),
    // libslirp's answer for these two.
    (["a.test", "b.test"], "01610474657374 00 0162 c002"),
    (["a.test", "a.test"], "01610474657374 00 c000"),
    (["a.test.", "B.TEST"], "01610474657374 00 0142 c002"),
    (["test", "a.test"], "0474657374 00 0161 c000"),
    (["a.b.test", "b.test", "c.a.b.test"], "01610162 0474657374 00 c002 0163 c000"),
    // Of other letters large and small ones are others (RFC 4343 section 3): U+0500 and U+0501.
    (["\u{500}", "\u{501}"], "02d480 00 02d481 00"),
    // A dot is one, whatever stands behind it: an accent (U+0301).
    (["a.\u{301}"], "0161 02cc81 00"),
  ])
  func `names are compressed`(_ names: [String], _ bytes: String) {
    var list = DomainSearchList()
    for name in names {
      let wasTaken = list.append(name)
      #expect(wasTaken)
    }
    #expect(list.bytes == hex(bytes))
  }

  @Test(arguments: [
    "", ".", "..", "a..b", ".a", "a..", String(repeating: "a", count: 64) + ".test",
    Array(repeating: String(repeating: "a", count: 63), count: 4).joined(separator: "."),
  ])
  func `what is no domain name is refused`(_ name: String) {
    var list = DomainSearchList()
    list.append("a.test")
    let before = list.bytes
    let wasTaken = list.append(name)
    #expect(!wasTaken)
    #expect(list.bytes == before)
  }

  @Test func `the longest name and the longest list are taken`() {
    let label = String(repeating: "a", count: 63)
    let longest = [label, label, label, String(label.dropLast(2))].joined(separator: ".")
    var list = DomainSearchList()
    let wasTaken = list.append(longest)
    #expect(wasTaken)
    #expect(list.bytes.count == 255)
    var count = 0
    while list.append("x\(count)." + label + ".y\(count)") { count += 1 }
    #expect(list.bytes.count < 0x4000)
    #expect(list.bytes.count > 0x4000 - 100)
  }

  @Test func `names without compression stand whole, and those that find no room are left out (RFC 8415 section 10)`() {
    let names = ["a.test", "b.test", "no..name", "c"]
    #expect(DomainSearchList.uncompressed(names, limit: 100) == hex("0161 0474657374 00 0162 0474657374 00 0163 00"))
    #expect(DomainSearchList.uncompressed(names, limit: 11) == hex("0161 0474657374 00 0163 00"))
  }
}
