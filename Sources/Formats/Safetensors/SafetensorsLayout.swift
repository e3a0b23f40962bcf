// SPDX-License-Identifier: Apache-2.0
// The header of a new safetensors file, and the position of each tensor's bytes. With them, rows can be
// written in any order, for any tensor.

import JSON

/// A safetensors file that is still being written: its header and the positions of its consecutive tensors.
package struct SafetensorsLayout: Sendable {
    /// The header's length and the header, padded with spaces so that the data begins at a multiple of 8 bytes.
    package let header: [UInt8]
    /// Bytes of the whole file.
    package let byteCount: Int
    private let places: [String: Int]

    /// - Parameters:
    ///   - metadata: Its values are strings.
    ///   - tensors: The tensors in the order of their bytes; their types have whole bytes.
    /// - Precondition: names differ, no dimension is negative, and the file is smaller than 2⁶² bytes.
    package init(
        metadata: [(key: String, value: String)],
        tensors: [(name: String, type: SafetensorsType, shape: [Int])]
    ) {
        var strings = JSON.Object()
        for entry in metadata { strings[entry.key] = .string(entry.value) }
        var members = JSON.Object()
        members[SafetensorsFile.metadataKey] = .object(strings)
        var (places, end) = ([String: Int](), 0)
        for tensor in tensors {
            let byteCount = tensor.shape.reduce(tensor.type.bitCount / 8, *)
            let isNew = members.insertIfAbsent(
                tensor.name,
                [
                    "dtype": .string(tensor.type.rawValue),
                    "shape": .array(tensor.shape.map { .integer($0) }),
                    "data_offsets": [.integer(end), .integer(end + byteCount)],
                ])
            precondition(isNew, "SafetensorsLayout: \(tensor.name) occurs twice")
            places[tensor.name] = end
            end += byteCount
        }
        var text = Array(JSON.object(members).serialized().utf8)
        text += repeatElement(UInt8(ascii: " "), count: text.count.roundedUp(to: 8) - text.count)
        var header: [UInt8] = []
        header.append(littleEndian: UInt64(text.count))
        header += text
        self.header = header
        self.places = places.mapValues { $0 + header.count }
        byteCount = header.count + end
    }

    /// Bytes from the start of the file to a tensor's first number.
    /// - Precondition: the tensor is one of the layout's.
    package func byteOffset(of name: String) -> Int {
        guard let place = places[name] else { preconditionFailure("SafetensorsLayout: no tensor \(name)") }
        return place
    }
}
