// SPDX-License-Identifier: Apache-2.0
// Of functions with the same weak symbol the linker keeps one, from whichever object it likes. An object built for a
// newer CPU must therefore define none, or an older CPU could be handed its code.

import Glibc
import Platform
import Testing

#if arch(arm64)
private let modulesForNewerProcessors = ["KernelsNEONDotProduct", "KernelsNEONMatrixProduct"]
#else
private let modulesForNewerProcessors = ["KernelsAVX2", "KernelsAVX512"]
#endif

@Test(arguments: modulesForNewerProcessors)
func objectsForNewerProcessorsDefineNoWeakFunctions(module: String) throws {
    let folder = try buildFolder() + "/\(module).build"
    // An incremental build keeps the objects of sources that are gone; nothing links them.
    let sources =
        String(#filePath.dropLast("Tests/KernelsTests/WeakSymbolTests.swift".count)) + "Sources/\(module)/"
    let objects = try objectFiles(in: folder).filter { access(sources + $0.dropLast(2), F_OK) == 0 }
        .map { folder + "/" + $0 }
    #expect(!objects.isEmpty, "no objects in \(folder)")
    var functionCount = 0
    for object in objects {
        for symbol in functions(try readFile(path: object, limit: 1 << 26)) {
            functionCount += 1
            #expect(!symbol.isWeak, "\(object) defines \(symbol.name) as a weak symbol")
        }
    }
    #expect(functionCount > 3, "found only \(functionCount) functions: are these the kernels?")
}

/// The folder of this test's executable, which is also that of the objects.
private func buildFolder() throws -> String {
    var path = [UInt8](repeating: 0, count: 4096)
    let count = path.withUnsafeMutableBytes { bytes in
        bytes.assumingMemoryBound(to: CChar.self).baseAddress.map {
            readlink("/proc/self/exe", $0, bytes.count)
        } ?? 0
    }
    let executable = String(decoding: path.prefix(max(count, 0)), as: UTF8.self)
    return String(executable[..<(try #require(executable.lastIndex(of: "/")))])
}

private func objectFiles(in folder: String) throws -> [String] {
    let stream = try #require(opendir(folder), "no folder \(folder)")
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name.hasSuffix(".o") { names.append(name) }
    }
    return names
}

/// The functions that a 64-bit ELF object defines (System V ABI, chapter 4).
private func functions(_ object: [UInt8]) -> [(name: String, isWeak: Bool)] {
    func number(_ offset: Int, _ size: Int) -> Int {
        (0..<size).reversed().reduce(0) { $0 << 8 | Int(object[offset + $1]) }
    }
    let sections = number(40, 8), sectionSize = number(58, 2), sectionCount = number(60, 2)
    var found: [(name: String, isWeak: Bool)] = []
    for section in (0..<sectionCount).map({ sections + $0 * sectionSize }) where number(section + 4, 4) == 2 {
        let start = number(section + 24, 8), byteCount = number(section + 32, 8)
        let names = number(sections + number(section + 40, 4) * sectionSize + 24, 8)
        for symbol in stride(from: start, to: start + byteCount, by: 24) {
            let info = number(symbol + 4, 1)
            guard info & 15 == 2, number(symbol + 6, 2) != 0 else { continue }
            let name = object[(names + number(symbol, 4))...].prefix { $0 != 0 }
            found.append((String(decoding: name, as: UTF8.self), info >> 4 == 2))
        }
    }
    return found
}
