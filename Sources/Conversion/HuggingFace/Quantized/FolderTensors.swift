// SPDX-License-Identifier: Apache-2.0
// The tensors of a folder as the model names them: a quantized weight is one tensor here, however many it is stored in, so that
// families read quantized folders without knowing it.

import Formats
import Models

/// The tensors of a model folder.
struct FolderTensors {
    /// A tensor under its model's name.
    enum Tensor {
        case plain(SafetensorsTensor, ByteView)
        /// With the bytes of its codes.
        case quantized(QuantizedMatrix, ByteView)

        var bytes: ByteView {
            switch self {
            case .plain(_, let bytes), .quantized(_, let bytes): bytes
            }
        }
    }

    /// All names; that of a quantized weight ends in ".weight".
    let names: [String]
    private let weights: SafetensorsModel
    private let method: (any QuantizationMethod)?
    /// Quantized modules, by the name of their weight.
    private let modules: [String: String]

    /// A remark for the user about the quantization.
    var remark: String? { method?.remark }

    /// - Throws: `ConversionError` for a method that is not supported, and where no tensor has been quantized by it.
    init(_ folder: HuggingFaceModel) throws {
        weights = folder.weights
        method = try quantizationMethod(of: folder)
        guard let method else {
            (names, modules) = (weights.tensorNames, [:])
            return
        }
        let stored = Set(weights.tensorNames)
        var modules: [String: String] = [:]
        var parts: Set<String> = []
        for name in stored where name.hasSuffix(".\(method.marker)") {
            let module = String(name.dropLast(method.marker.utf8.count + 1))
            modules["\(module).weight"] = module
            parts.formUnion(method.parts.map { "\(module).\($0)" })
        }
        // MLX quantizes nothing where rows are too short.
        guard !modules.isEmpty || method is MLXQuantization else {
            throw ConversionError(
                "config.json says that weights are quantized by \(method.name), but no tensor ends in .\(method.marker)"
            )
        }
        for name in modules.keys.sorted() where stored.contains(name) && method.codes != "weight" {
            throw ConversionError("\(name) is stored both quantized and as it was, expected one of them")
        }
        self.modules = modules
        names = Array(stored.subtracting(parts)) + modules.keys
    }

    /// Whether a tensor is the bias of a quantized module and zero: old writers of GPTQ add one to modules that have none.
    func isZeroBias(_ name: String) -> Bool {
        guard name.hasSuffix(".bias"), modules["\(name.dropLast(5)).weight"] != nil else { return false }
        return weights.tensor(named: name)?.bytes.allSatisfy { $0 == 0 } ?? false
    }

    /// The tensor of this name.
    /// - Throws: `ConversionError` for a quantized weight whose parts do not fit each other.
    func tensor(named name: String) throws -> Tensor? {
        if let module = modules[name], let method {
            let module = QuantizedModule(name: module, weights: weights)
            let codes = weights.tensor(named: "\(module.name).\(method.codes)")?.bytes
            return .quantized(try method.matrix(of: module), codes ?? ByteView(copying: []))
        }
        return weights.tensor(named: name).map { .plain($0.tensor, $0.bytes) }
    }
}
