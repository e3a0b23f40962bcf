// SPDX-License-Identifier: Apache-2.0
// Opens model files for users: errors about other kinds of files say what to do with them.

import Formats
import Platform

/// Opens the `.tiller` file at `path`.
///
/// - Throws: `TillerError.invalidFile` that names the file and says what is wrong with it.
package func openModelFile(_ path: String) throws(TillerError) -> TillerFile {
    do {
        let mapped = try MappedFile(path: path)
        guard !mapped.bytes.isEmpty else {
            throw TillerError.invalidFile("\(path) is empty, expected a .tiller file")
        }
        guard !mapped.bytes.starts(with: "GGUF".utf8) else {
            throw TillerError.invalidFile(
                "\(path) is a GGUF file, expected a .tiller file; 'tiller convert' converts it")
        }
        return try TillerFile(mapped: mapped)
    } catch let error as FormatError where error.rule == .tillerMagic {
        throw .invalidFile(
            "\(path) is not a .tiller file; expected one written by 'tiller convert' (\(error.rule))")
    } catch let error as FormatError where error.rule == .tillerFooter {
        throw .invalidFile("\(error); the file is truncated or damaged, copy or convert it again")
    } catch let error as TillerError {
        throw error
    } catch { throw .invalidFile("\(error)") }
}
