// SPDX-License-Identifier: Apache-2.0
// Reads input files; their text must be UTF-8. What is compressed by gzip is decompressed first.

import Commands
import Compression
import Evaluation
import Formats
import Platform
import Tiller

/// Runs work on a text file; its errors are the file's fault, not the command line's.
func blaming<Result>(_ path: String, _ work: () throws -> Result) throws -> Result {
    do { return try work() } catch TillerError.invalidOption(let text) {
        throw TillerError.invalidFile("\(path): \(text)")
    }
}

/// The bytes of a file, or those that it holds compressed.
///
/// - Parameter limit: the maximum number of bytes, compressed or not.
func readInput(path: String, limit: Int) throws -> [UInt8] {
    let data = try readFile(path: path, limit: limit)
    guard Gzip.isGzip(data) else { return data }
    do throws(GzipError) { return try Gzip.content(of: data, limit: limit) } catch {
        throw TillerError.invalidFile("\(path): \(error)")
    }
}

/// The text of a file that must be UTF-8.
func readText(path: String) throws -> String {
    try text(of: readInput(path: path, limit: TextLimit.text), from: path)
}

/// The rows of a file; errors in them are the file's fault, not the command line's.
private func readRows<Row>(
    _ path: String, _ read: ([UInt8], _ fileName: String) throws -> [Row]
) throws -> (rows: [Row], data: [UInt8]) {
    let data = try readInput(path: path, limit: TextLimit.rows)
    do { return (try read(data, path), data) } catch { throw TillerError.invalidFile("\(error)") }
}

/// The multiple-choice items in a file.
func readItems(path: String) throws -> [ChoiceItem] { try readRows(path, ChoiceItem.read).rows }

/// The contrastive pairs in a file, and its bytes.
func readPairs(path: String) throws -> (pairs: [ContrastivePair], data: [UInt8]) {
    let (pairs, data) = try readRows(path, ContrastivePair.read)
    return (pairs, data)
}

/// The items of an evaluation in a file, with its SHA-256.
func readEvaluationItems(path: String) throws -> (items: [EvaluationItem], hash: String) {
    let (items, data) = try readRows(path, EvaluationItem.read)
    return (items, SHA256.digest(of: data).description)
}
