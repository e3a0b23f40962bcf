// SPDX-License-Identifier: Apache-2.0
// Combines shards: the files of one capture, in any order, give one matrix per layer (formats/activations.md §5).

/// The activations of one model over the whole data.
package struct ActivationSet: Sendable {
    /// The header of the whole data: its shard is 1/1.
    package let header: ActivationHeader
    /// The layers, ascending.
    package let layers: [Int]
    /// Rows in the order of the whole data: pairs, each with its positive side first, then texts.
    package let rows: [ActivationRow]
    /// The tokens of each row; 0 for a row that could not be read.
    package let tokenCounts: [Int]
    private let files: [ActivationFile]
    /// For each file, the position of each of its rows.
    private let places: [[Int]]

    /// Opens files, in any order, and combines them.
    /// - Throws: `FileError`, `FormatError` R1–R20.
    package init(paths: [String]) throws {
        try self.init(paths.map { try ActivationFile(path: $0) })
    }

    /// Combines shards.
    /// - Throws: `FormatError` R15–R20.
    package init(_ files: [ActivationFile]) throws(FormatError) {
        guard let first = files.first else {
            throw FormatError(.activationsShards, found: "no file", expected: "all shards of a capture")
        }
        for file in files.dropFirst() { try Self.check(file, with: first) }
        try Self.checkShards(files)
        var header = first.header
        header.shard = .whole
        self.header = header
        self.files = files
        layers = first.layers
        let pairCount = header.pairCount
        places = files.map { $0.rows.map { $0.place(pairCount: pairCount) } }
        var rows = [ActivationRow?](repeating: nil, count: header.rowCount)
        var tokenCounts = [Int](repeating: 0, count: header.rowCount)
        for (file, places) in zip(files, places) {
            for (index, place) in places.enumerated() {
                guard rows[place] == nil else {
                    throw Self.error(
                        .activationsComplete,
                        "row \(index) again, label \(file.rows[index].label) and number "
                            + "\(file.rows[index].number)", "each row of the data in one shard", file)
                }
                rows[place] = file.rows[index]
                tokenCounts[place] = file.tokenCounts[index]
            }
        }
        if let missing = rows.firstIndex(where: { $0 == nil }) {
            throw Self.error(
                .activationsComplete, "nothing for row \(missing) of \(rows.count)",
                "all rows of the data in the shards", first)
        }
        self.rows = rows.compactMap(\.self)
        self.tokenCounts = tokenCounts
        let found = ActivationRow.dataHash(of: self.rows.map(\.textHash))
        guard found == header.dataHash else {
            throw Self.error(
                .activationsComplete, "texts with the hash \(found)", "\(header.dataHash), as the files say",
                first)
        }
    }

    /// The states of a layer in the order of the whole data, [rowCount × width].
    /// - Precondition: the layer is one of `layers`.
    package func states(layer: Int) -> [Float] {
        let width = header.width
        guard files.count > 1 || places[0] != Array(0..<rows.count) else {
            return files[0].states(layer: layer)
        }
        var all = [Float](repeating: 0, count: rows.count * width)
        for (file, places) in zip(files, places) {
            let states = file.states(layer: layer)
            for (index, place) in places.enumerated() {
                all.replaceSubrange(
                    place * width..<(place + 1) * width, with: states[index * width..<(index + 1) * width])
            }
        }
        return all
    }
}

// MARK: - Checks

extension ActivationSet {
    private static func error(
        _ rule: FormatRule, _ found: String, _ expected: String, _ file: ActivationFile
    ) -> FormatError {
        var error = FormatError(rule, found: found, expected: expected)
        error.path = file.path
        return error
    }

    private static func check(_ file: ActivationFile, with first: ActivationFile) throws(FormatError) {
        let (a, b) = (file.header, first.header)
        func model(_ header: ActivationHeader) -> String {
            "\(header.model), source \("\(header.sourceHash)".prefix(12))…, \(header.layerCount) layers of "
                + "\(header.width)"
        }
        guard a.model == b.model, a.sourceHash == b.sourceHash, a.layerCount == b.layerCount,
            a.width == b.width
        else {
            throw error(.activationsSameModel, model(a), "\(model(b)), as in \(first.path)", file)
        }
        guard a.dataHash == b.dataHash, a.pairCount == b.pairCount, a.textCount == b.textCount else {
            throw error(
                .activationsSameData,
                "\(a.pairCount) pairs and \(a.textCount) texts, hash \("\(a.dataHash)".prefix(12))…",
                "\(b.pairCount) and \(b.textCount), \("\(b.dataHash)".prefix(12))…, as in \(first.path)", file
            )
        }
        guard a.position == b.position else {
            throw error(
                .activationsSamePosition, "\"\(a.position)\"", "\"\(b.position)\", as in \(first.path)", file)
        }
        guard file.layers == first.layers else {
            throw error(
                .activationsSameLayers, "layers \(file.layers)", "\(first.layers), as in \(first.path)", file)
        }
    }

    private static func checkShards(_ files: [ActivationFile]) throws(FormatError) {
        let count = files[0].header.shard.count
        var seen: [Int: ActivationFile] = [:]
        for file in files {
            let shard = file.header.shard
            guard shard.count == count else {
                throw error(
                    .activationsShards, "shard \(shard)", "one of \(count), as in \(files[0].path)", file)
            }
            if let other = seen.updateValue(file, forKey: shard.index) {
                throw error(
                    .activationsShards, "shard \(shard) again", "each shard once; \(other.path) has it too",
                    file)
            }
        }
        let missing = (1...count).filter { seen[$0] == nil }
        guard missing.isEmpty else {
            let names = missing.prefix(8).map { "\($0)/\(count)" }.joined(separator: ", ")
            throw error(
                .activationsShards, "\(files.count) of \(count) shards, without \(names)", "all of them",
                files[0])
        }
    }
}
