// SPDX-License-Identifier: Apache-2.0
// A LoRA adapter, whichever program wrote it: pairs of factors by the name of the matrix that they change.

import Formats
import Glibc
import Models
import Platform

/// A LoRA adapter (arXiv 2106.09685) that is open.
struct Adapter {
    /// The factors of one matrix, checked against each other.
    struct Pair {
        let a: LowRankUpdate.Factor
        let b: LowRankUpdate.Factor
        let scale: Float
    }

    /// The name of its folder or file.
    let name: String
    /// The format whose tensor names and row order it has.
    let format: SourceFormat
    /// `general.architecture` of a GGUF.
    let architecture: String?
    /// By the name of the matrix within the language model.
    let pairs: [String: Pair]
    /// Matrices of the base that PEFT repeats, by the same names.
    let copies: [String: LowRankUpdate.Factor]
    /// The bytes of the weights' file.
    let bytes: ByteView

    /// Opens an adapter.
    ///
    /// - Parameters:
    ///   - path: a folder as saved by PEFT, or a GGUF file as written by llama.cpp's `convert_lora_to_gguf.py`.
    ///   - output: the file to write, which must not be part of the adapter.
    /// - Throws: `ConversionError`, `FileError` or `FormatError`.
    init(path: String, output: String? = nil) throws {
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            for file in [Self.configName, Self.weightsName] {
                try ModelSource.requireOther(output, than: "\(path)/\(file)")
            }
            try self.init(folder: path)
            return
        }
        let mapped = try MappedFile(path: path)
        try ModelSource.requireOther(output, than: path)
        guard mapped.bytes.starts(with: "GGUF".utf8) else {
            throw ConversionError(
                "\(path) is no adapter, expected a folder with \(Self.configName), or a GGUF file of llama.cpp"
            )
        }
        try self.init(
            gguf: GGUFFile(mapped: mapped), ByteView(mapped.bytes, owner: mapped), name: path.fileName)
    }

    /// Factors that are collected one by one.
    struct Collection {
        private var factors: [String: (a: LowRankUpdate.Factor?, b: LowRankUpdate.Factor?)] = [:]

        /// - Throws: `ConversionError` if the matrix has this factor already, under another name.
        mutating func add(_ factor: LowRankUpdate.Factor, isA: Bool, of matrix: String) throws {
            var both = factors[matrix] ?? (nil, nil)
            if let other = isA ? both.a : both.b {
                throw ConversionError("\(other.name) and \(factor.name) are the same factor under two names")
            }
            if isA { both.a = factor } else { both.b = factor }
            factors[matrix] = both
        }

        /// - Parameter scale: of a matrix, by the rank of its factors.
        /// - Throws: `ConversionError` where a factor is missing, or both have different ranks.
        func pairs(scale: (String, Int) throws -> Float) throws -> [String: Pair] {
            guard !factors.isEmpty else { throw ConversionError("the adapter has no factors of LoRA") }
            var pairs: [String: Pair] = [:]
            for (matrix, both) in factors.sorted(by: { $0.key < $1.key }) {
                guard let a = both.a, let b = both.b else {
                    let found = both.a?.name ?? both.b?.name ?? ""
                    throw ConversionError("\(found) is one factor of \(matrix), the other one is missing")
                }
                guard a.rows == b.columns else {
                    throw ConversionError(
                        "\(a.name) is [\(a.rows) × \(a.columns)], \(b.name) [\(b.rows) × \(b.columns)], expected one rank"
                    )
                }
                pairs[matrix] = Pair(a: a, b: b, scale: try scale(matrix, a.rows))
            }
            return pairs
        }
    }
}
