// SPDX-License-Identifier: Apache-2.0
// What comes in from people: text must be UTF-8.

import Evaluation
import Formats
import Platform
import Commands
import Tiller

/// Runs work on a file of text: what it finds wrong there is the file's fault, not the command line's.
func blaming<Result>(_ path: String, _ work: () throws -> Result) throws -> Result {
    do { return try work() } catch TillerError.invalidOption(let text) {
        throw TillerError.invalidFile("\(path): \(text)")
    }
}

/// The multiple-choice items in a file.
func readItems(path: String) throws -> [ChoiceItem] {
    let data = try readFile(path: path, limit: TextLimit.rows)
    do { return try ChoiceItem.read(data, fileName: path) } catch {
        throw TillerError.invalidFile("\(error)")
    }
}

/// The text of a file that must be UTF-8.
func readText(path: String) throws -> String {
    try text(of: readFile(path: path, limit: TextLimit.text), from: path)
}

/// The contrastive pairs in a file; what is wrong in it is the file's fault, not the command line's.
func readPairs(path: String) throws -> (pairs: [ContrastivePair], data: [UInt8]) {
    let data = try readFile(path: path, limit: TextLimit.rows)
    do { return (try ContrastivePair.read(data, fileName: path), data) } catch {
        throw TillerError.invalidFile("\(error)")
    }
}

/// The items of an evaluation in a file, with its SHA-256.
func readEvaluationItems(path: String) throws -> (items: [EvaluationItem], hash: String) {
    let data = try readFile(path: path, limit: TextLimit.rows)
    let hash = SHA256.digest(of: data).description
    do { return (try EvaluationItem.read(data, fileName: path), hash) } catch {
        throw TillerError.invalidFile("\(error)")
    }
}
