// SPDX-License-Identifier: Apache-2.0
// Files of activations put together from parts that a test can replace: two pairs and one text, two layers of width 3.

import Formats

struct RawActivations {
    struct Tensor {
        var name: String
        var type: SafetensorsType
        var shape: [Int]
        var bytes: [UInt8]
    }

    static let texts = ["good", "bad", "fine", "poor", "plain"].map {
        ActivationRow.textHash(prompt: nil, text: $0)
    }

    var metadata: [(key: String, value: String)] = [
        ("format", "tiller.activations"), ("version", "1"), ("model", "tiny"),
        ("source_sha256", SHA256.digest(of: "weights".utf8).description), ("layer_count", "4"),
        ("width", "3"),
        ("position", "mean"), ("data_sha256", ActivationRow.dataHash(of: texts).description),
        ("pair_count", "2"), ("text_count", "1"), ("shard", "1/1"),
    ]
    var tensors: [Tensor]

    /// The rows of these places of the whole data; row p of layer l holds the numbers 10 · p + l, …
    init(places: [Int] = [0, 1, 2, 3, 4]) {
        func numbers(_ values: [Int32]) -> [UInt8] {
            var raw = RawBytes()
            for value in values { raw.integer(value) }
            return raw.bytes
        }
        let count = places.count
        tensors = [1, 3].map { layer in
            let values = places.flatMap { place in (0..<3).map { Float(100 * place + 10 * layer + $0) } }
            return Tensor(
                name: "layer.\(layer)", type: .f32, shape: [count, 3],
                bytes: numbers(values.map { Int32(bitPattern: $0.bitPattern) }))
        }
        let labels = places.map { $0 == 4 ? 0 : $0 % 2 == 0 ? 1 : -1 }
        tensors += [
            Tensor(
                name: "row.number", type: .i32, shape: [count],
                bytes: numbers(places.map { $0 == 4 ? 0 : Int32($0 / 2) })),
            Tensor(
                name: "row.tokens", type: .i32, shape: [count],
                bytes: numbers(places.map { Int32($0 + 2) })),
            Tensor(
                name: "row.text", type: .u8, shape: [count, 32],
                bytes: places.flatMap { Self.texts[$0].bytes }),
            Tensor(
                name: "row.label", type: .i8, shape: [count],
                bytes: labels.map { UInt8(bitPattern: Int8($0)) }),
        ]
    }

    /// One shard of n with these rows.
    init(shard: String, places: [Int]) {
        self.init(places: places)
        self["shard"] = shard
    }

    /// A member of the metadata.
    subscript(key: String) -> String? {
        get { metadata.first { $0.key == key }?.value }
        set {
            let index = metadata.firstIndex { $0.key == key } ?? metadata.endIndex
            metadata.removeAll { $0.key == key }
            if let newValue { metadata.insert((key, newValue), at: min(index, metadata.endIndex)) }
        }
    }

    func changing(_ key: String, _ value: String?) -> RawActivations {
        var copy = self
        copy[key] = value
        return copy
    }

    func changing(_ name: String, _ change: (inout Tensor) -> Void) -> RawActivations {
        var copy = self
        guard let index = tensors.firstIndex(where: { $0.name == name }) else { return copy }
        change(&copy.tensors[index])
        return copy
    }

    func removing(_ name: String) -> RawActivations {
        var copy = self
        copy.tensors.removeAll { $0.name == name }
        return copy
    }

    func adding(_ tensor: Tensor) -> RawActivations {
        var copy = self
        copy.tensors.append(tensor)
        return copy
    }

    var bytes: [UInt8] {
        let layout = SafetensorsLayout(
            metadata: metadata, tensors: tensors.map { ($0.name, $0.type, $0.shape) })
        return layout.header + tensors.flatMap(\.bytes)
    }

    func opened() throws(FormatError) -> ActivationFile {
        try ActivationFile(bytes: ByteView(copying: bytes))
    }
}
