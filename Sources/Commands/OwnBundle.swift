// SPDX-License-Identifier: Apache-2.0
// The model appended to the running program, which makes `tiller-run` a bundle.

import Formats
import Platform
import Tiller

/// The running program's own file, which contains a model.
package struct OwnBundle: Sendable {
    package let path: String
    package let settings: BundleSettings

    /// Inspects the running program; nil if its file ends with the program.
    ///
    /// - Throws: `TillerError` if data after the program is not a valid model.
    package static func find() throws -> OwnBundle? {
        for path in OwnExecutable.paths {
            guard let mapped = try? MappedFile(path: path) else { continue }
            guard let end = programEnd(ByteView(mapped.bytes, owner: mapped)), end < mapped.bytes.count else {
                return nil
            }
            do {
                return OwnBundle(path: path, settings: try Bundle(in: mapped)?.settings ?? BundleSettings())
            } catch {
                // Throws an error that describes the data.
                _ = try openModelFile(path)
                throw error
            }
        }
        return nil
    }

    /// The end of a 64-bit ELF file: after its section headers, which linkers and `strip` write last.
    static func programEnd(_ file: ByteView) -> Int? {
        guard file.count >= 64, file.starts(with: [0x7F, 0x45, 0x4C, 0x46, 2, 1]) else { return nil }
        let table = file.load(UInt64.self, at: 40)
        let byteCount = UInt64(file.load(UInt16.self, at: 58)) * UInt64(file.load(UInt16.self, at: 60))
        guard table > 0, table <= UInt64(file.count), byteCount <= UInt64(file.count) - table else {
            return nil
        }
        return Int(table + byteCount)
    }

    /// Whether a file is a program to which a model can be appended.
    package enum ProgramKind: Sendable { case complete, dynamic, other }

    /// Whether a file is a program without a model, and whether it needs shared libraries.
    package static func kind(of mapped: MappedFile) -> ProgramKind {
        let file = ByteView(mapped.bytes, owner: mapped)
        guard programEnd(file) == file.count else { return .other }
        let table = file.load(UInt64.self, at: 32)
        let (size, count) = (UInt64(file.load(UInt16.self, at: 54)), UInt64(file.load(UInt16.self, at: 56)))
        guard size >= 4, table <= UInt64(file.count), size * count <= UInt64(file.count) - table else {
            return .other
        }
        // A program header of type 3 names the dynamic loader.
        let needsLoader = (0..<count).contains { file.load(UInt32.self, at: Int(table + $0 * size)) == 3 }
        return needsLoader ? .dynamic : .complete
    }
}
