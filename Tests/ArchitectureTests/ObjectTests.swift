// SPDX-License-Identifier: Apache-2.0
// What the compiler made of the kernels. A function that several objects share (a weak symbol) is taken by the
// linker from any of them: built for AVX-512, it would end the program on a processor without.

import Testing

struct ObjectTests {
    /// Functions in the output of `nm` that the linker may replace by another object's.
    static func sharedFunctions(in listing: String) -> [Substring] {
        listing.split(separator: "\n").filter { line in
            let words = line.split(separator: " ")
            return words.count >= 3 && (words[1] == "W" || words[1] == "u")
        }
    }

    @Test(arguments: ["KernelsAVX2", "KernelsAVX512"])
    func objectsForNewProcessorsShareNoCode(module: String) {
        let folder = "\(productFolder)/\(module).build"
        let (status, listing) = shell("nm '\(folder)'/*.o")
        guard status == 0 else {
            print("skipped: the symbols of \(folder) cannot be listed (needs nm and a build in this folder)")
            return
        }
        let functions = listing.split(separator: "\n").filter { $0.contains(" t ") || $0.contains(" T ") }
        #expect(functions.count > 5, "\(folder) has no functions; did its objects move?")
        #expect(Self.sharedFunctions(in: listing).isEmpty)
    }

    @Test func sharedFunctionsAreFound() {
        let listing =
            "0000000000000000 W $sSa\n0000000000000000 V table\n                 w later\n0000 t own"
        #expect(Self.sharedFunctions(in: listing) == ["0000000000000000 W $sSa"])
    }
}
